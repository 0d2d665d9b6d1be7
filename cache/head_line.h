/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/head_line.h: the lines of a head as text (object_head.head, head_once): a status line, or
 * none, then fields, each with its CRLF. Pure functions, any thread; what they give lies in the
 * text. */
#ifndef CACHE_HEAD_LINE_H
#define CACHE_HEAD_LINE_H
#include <stdbool.h>

#include "lib/base/str.h"

struct head_line {
	struct str all;         /* with its CRLF */
	struct str name, value; /* trimmed; of a status line they say nothing */
};

/* Cuts the next line off *rest. False: there is none. */
bool head_line_next(struct str *rest, struct head_line *line);

/* The value of the first field of that name (any case); at NULL: there is none. */
struct str head_line_value(struct str head, struct str name);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/parser.h: the lines of a squid.conf and of all that it includes, one directive at a
 * time: continuations joined, macros filled in, conditions decided, words cut.
 *
 * What is wrong with the text itself (a missing endif, a file that is not there, a line that is too
 * long) goes into the report, and reading goes on behind it. One thread's. */
#ifndef SQUID_COMPAT_PARSER_H
#define SQUID_COMPAT_PARSER_H
#include <stdbool.h>

#include "squid-compat/report.h"
#include "squid-compat/source.h"
#include "squid-compat/words.h"

enum {
	PARSER_MAX_LINE_BYTES = 8191,      /* a physical line, as in Squid */
	PARSER_MAX_JOINED_BYTES = 1 << 20, /* with its continuations */
	PARSER_MAX_INCLUDES = 16,          /* depth */
	PARSER_MAX_FILES = 10000,          /* in all: files may include others many times */
	PARSER_MAX_BYTES = 64 << 20,       /* in all */
	PARSER_MAX_CONDITIONS = 64,        /* nested if */
};

struct parser_options {
	const struct source *source; /* NULL: the disk */
	const char *service_name;    /* ${service_name}; NULL: "squid" */
	bool keep_lines; /* a REPORT_LINE for each effective line (-k parse shows them) */
};

/* One directive. Borrowed: valid until it returns. */
typedef void parser_line_fn(void *user, const struct words *words);

/* Reads path and hands each directive to line; problems go to the report. False: path itself
 * could not be read. */
bool parser_read(const char *path, const struct parser_options *options, struct report *report,
                 parser_line_fn *line, void *user);

#endif

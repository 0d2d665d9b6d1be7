/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/structured_field.h: dictionaries of structured fields, read strictly: whoever gets a
 * member but then a failure throws away what it got. RFC 9651 §3.2, §4.2. Parameters are read over.
 * Threads: pure functions. */
#ifndef HTTP_STRUCTURED_FIELD_H
#define HTTP_STRUCTURED_FIELD_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum sf_type {
	SF_BOOLEAN,
	SF_INTEGER,
	SF_DECIMAL,
	SF_STRING,
	SF_TOKEN,
	SF_BYTES,
	SF_DATE,
	SF_DISPLAY_STRING,
	SF_INNER_LIST,
};

struct sf_member {
	struct str key; /* lower case */
	enum sf_type type;
	int64_t integer; /* of SF_INTEGER and SF_DATE; 0 or 1 of SF_BOOLEAN */
	struct str text; /* of the others, as it came: with quotes, colons, parentheses */
};

enum sf_verdict {
	SF_MEMBER,
	SF_END,
	SF_BROKEN, /* the whole field is to be ignored */
};

/* Cuts the next member off *rest, which begins as a field's value. */
enum sf_verdict sf_next_member(struct str *rest, struct sf_member *member);

#endif

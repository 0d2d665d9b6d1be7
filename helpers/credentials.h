/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/credentials.h: the user and the password in an Authorization field. RFC 7617 §2.
 * Threads: pure functions. */
#ifndef HELPERS_CREDENTIALS_H
#define HELPERS_CREDENTIALS_H
#include "lib/base/str.h"

enum { CREDENTIALS_MAX_BYTES = 8192 }; /* of the field's value */

struct credentials {
	struct str user, pass; /* in bytes, with one byte between them */
	char bytes[2 * CREDENTIALS_MAX_BYTES];
};

enum credentials_options {
	CREDENTIALS_FOLD_USER = 1, /* ASCII letters of the user to lower case */
	CREDENTIALS_TO_UTF8 = 2, /* what is not UTF-8 is taken for ISO 8859-1 and turned into it */
};

/* value: `Basic BASE64(USER ":" PASS)`. False, with out undefined, for anything else, and for an
 * empty user or password and a CR, LF or NUL in them. */
bool credentials_read(struct str value, enum credentials_options options, struct credentials *out);

#endif

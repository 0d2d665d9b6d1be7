/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/bearer_jwt_auth/json.h: the members of JSON objects and arrays (RFC 8259), as
 * SQLite's JSON functions read them.
 *
 * Threads: one. */
#ifndef BEARER_JWT_AUTH_JSON_H
#define BEARER_JWT_AUTH_JSON_H
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum json_type { JSON_OBJECT, JSON_ARRAY, JSON_TEXT, JSON_NUMBER, JSON_OTHER };

struct json_member {
	struct str key; /* of an array's: a number */
	enum json_type type;
	struct str value; /* a text without quotes and escapes; else as JSON has it */
	double number;
};

/* Called for each member, which is gone when it returns. False ends the reading. */
typedef bool json_visit(void *argument, const struct json_member *member);

struct json; /* the reader; opaque */

/* NULL and why if this SQLite knows no JSON. */
struct json *json_create(struct err_text *why);
void json_destroy(struct json *json); /* accepts NULL */

/* Visits the members of text, which must be an object or array (type). False: it is no such thing,
 * has a name twice, or a visit returned false. visit may be called before that is known. It may
 * read other texts. */
bool json_read(struct json *json, struct str text, enum json_type type, json_visit *visit,
               void *argument);

#endif

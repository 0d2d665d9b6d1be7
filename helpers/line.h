/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/line.h: one reply line of a helper, read. Squid: helper protocol, "reply grammar".
 *
 *     reply  = [ID SP] [RESULT] [SP kv]* [SP rest]
 *     RESULT = "OK" | "ERR" | "BH" | "TT" SP token | "AF" SP [token SP] user | "NA" SP text
 *     kv     = key "=" ( token with %XX | '"' text with \" \\ \n \r '"' )
 *
 * Total: any bytes give a reply. What a value means, and whether its decoded bytes may go where
 * they are meant to go (a header, a URL, the log), is for its user to check: helper_value_is_clean.
 * Threads: pure functions. */
#ifndef HELPERS_LINE_H
#define HELPERS_LINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

enum {
	HELPER_MAX_PAIRS = 64,            /* further ones are dropped */
	HELPER_MAX_REPLY_BYTES = 1 << 20, /* of one line, as in Squid */
};

enum helper_code {
	HELPER_UNKNOWN = 0, /* the line begins with no RESULT */
	HELPER_OK,
	HELPER_ERR, /* also the empty line */
	HELPER_BH,
	HELPER_TT, /* "token" holds the challenge */
	HELPER_AF, /* "user", perhaps "token" */
	HELPER_NA, /* "message" */
	/* no reply came; the pool says why */
	HELPER_TIMEOUT, /* not within the time set */
	HELPER_GONE,    /* the helper died on it, or none can be started */
	HELPER_BUSY,    /* too many wait already */
	HELPER_CODE_COUNT
};

/* "OK", "ERR", ..., "Unknown", as Squid's messages name them. */
const char *helper_code_name(enum helper_code code);

struct helper_pair {
	struct str key, value; /* value decoded */
};

/* All spans lie in the line that was parsed. */
struct helper_reply {
	enum helper_code code;
	unsigned npairs;
	struct helper_pair pairs[HELPER_MAX_PAIRS]; /* in order of arrival, repeated keys too */
	struct str rest;                            /* what follows the pairs, as it came */
};

/* Takes a channel id and the blanks behind it off the front of *line. False, and nothing done, if
 * it does not begin with a number (no sign, no leading zero, below 2^63) and a blank or its end. */
bool helper_line_take_id(struct str *line, uint64_t *id);

/* Reads a line without its id and its LF. Values are decoded in place (hence no const), so that
 * text must live as long as out. %00 stays as it is; an unbalanced quote ends the pairs. */
void helper_reply_parse(char *text, size_t len, struct helper_reply *out);

/* Makes out a reply without a line: HELPER_TIMEOUT, HELPER_GONE ... */
void helper_reply_set(struct helper_reply *out, enum helper_code code);

/* The first value of key; at is NULL when there is none. */
struct str helper_reply_value(const struct helper_reply *reply, struct str key);

/* Without control bytes (CR, LF, NUL, ESC ...)? Bytes from 0x80 on are fine. */
bool helper_value_is_clean(struct str value);

#endif

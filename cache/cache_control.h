/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/cache_control.h: the Cache-Control field, read. RFC 9111 §5.2, RFC 5861, RFC 8246.
 *
 * Names are compared without case; a value may be a token or a quoted string; unknown directives
 * are passed over. Seconds beyond 2^31 read as 2^31 (§1.2.2). What cannot be read, and a directive
 * given twice with different values, counts as the stricter reading: no lifetime left (§4.2.1).
 * Threads: pure functions. */
#ifndef CACHE_CACHE_CONTROL_H
#define CACHE_CACHE_CONTROL_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/http/message.h"

#define DELTA_SECONDS_MAX INT64_C(2147483648)

enum cache_control_flag {
	CC_NO_STORE = 1 << 0,
	CC_NO_CACHE = 1 << 1,        /* bare */
	CC_NO_CACHE_FIELDS = 1 << 2, /* no-cache="..." */
	CC_PRIVATE = 1 << 3,
	CC_PRIVATE_FIELDS = 1 << 4, /* private="..." */
	CC_PUBLIC = 1 << 5,
	CC_MUST_REVALIDATE = 1 << 6,
	CC_PROXY_REVALIDATE = 1 << 7,
	CC_MUST_UNDERSTAND = 1 << 8,
	CC_NO_TRANSFORM = 1 << 9,
	CC_IMMUTABLE = 1 << 10,
	CC_ONLY_IF_CACHED = 1 << 11,
	CC_MAX_AGE = 1 << 12, /* from here on: the value below counts */
	CC_S_MAXAGE = 1 << 13,
	CC_MIN_FRESH = 1 << 14,
	CC_MAX_STALE = 1 << 15, /* without an argument: any staleness, DELTA_SECONDS_MAX */
	CC_STALE_IF_ERROR = 1 << 16,
	CC_STALE_WHILE_REVALIDATE = 1 << 17,
	CC_PRESENT = 1 << 18, /* there was such a field at all */
};

struct cache_control {
	uint32_t flags; /* CC_* */
	int64_t max_age_s, s_maxage_s, min_fresh_s, max_stale_s;
	int64_t stale_if_error_s, stale_while_revalidate_s;
};

/* All Cache-Control fields of a head; without any, `Pragma: no-cache` reads as no-cache (§5.4). */
void cache_control_read(const struct http_head *head, struct cache_control *out);

/* Does no-cache="..." or private="..." of a response name that field? (§5.2.2.4, §5.2.2.7) Also in
 * CDN-Cache-Control. The second form asks one field's value. */
bool cache_control_names_field(const struct http_head *head, struct str name);
bool cache_control_value_names_field(struct str value, struct str name);

/* Adds one field's value ("max-age=60, public") to what *control (zeroed at first) holds. */
void cache_control_add(struct cache_control *control, struct str value);

/* One directive that was read elsewhere, in place of what *control holds of it. False, and nothing
 * done: that one takes another kind of value. Names that are unknown are passed over. */
enum cache_control_value {
	CACHE_CONTROL_BARE,
	CACHE_CONTROL_OFF, /* as if it were not there */
	CACHE_CONTROL_SECONDS,
	CACHE_CONTROL_TEXT,
};
bool cache_control_set(struct cache_control *control, struct str name,
		       enum cache_control_value kind, int64_t seconds);

#endif

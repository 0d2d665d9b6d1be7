/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/targeted_control.h: which of a response's fields decides about it here: Surrogate-Control
 * for this surrogate (Edge Architecture 1.0), else CDN-Cache-Control (RFC 9213), else
 * Cache-Control. The first two decide alone: Cache-Control, Expires and Pragma do not count beside
 * them. Threads: pure functions. */
#ifndef CACHE_TARGETED_CONTROL_H
#define CACHE_TARGETED_CONTROL_H
#include <stdbool.h>

#include "lib/base/str.h"
#include "lib/http/message.h"

struct cache_control; /* cache/cache_control.h */

/* Who reads a response, and how: from squid.conf. */
struct control_reader {
	struct str surrogate_id;   /* who we are in Surrogate-Capability */
	bool is_remote_surrogate;  /* http_accel_surrogate_remote: no-store-remote is for us too */
	bool keeps_cookies;        /* replay_set_cookie: Set-Cookie is a field like any */
	bool ignores_vary_expires; /* vary_ignore_expire, see freshness_facts_read */
};

enum control_source {
	CONTROL_FOR_ALL,
	CONTROL_CDN,
	CONTROL_SURROGATE,
};

/* head: a response's. A targeted field that is empty, no structured field, or has a directive with
 * an argument of a wrong type does not count. In Surrogate-Control, what is said to our id wins
 * over what is said to all, directive by directive. */
enum control_source targeted_control_read(const struct http_head *head,
                                          const struct control_reader *reader,
                                          struct cache_control *out);

#endif

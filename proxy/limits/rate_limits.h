/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/rate_limits.h: rate_limit at work: which requests are refused for their number.
 *
 * Counters (rate_table.h) lie outside the configurations: a reload that leaves a line as it is
 * keeps them. Requests that are refused take nothing, so who asks without end gets exactly RATE.
 *
 * Threads: struct rate_counters any, a leaf lock; struct rate_limits immutable, its counters
 * atomic. */
#ifndef PROXY_RATE_LIMITS_H
#define PROXY_RATE_LIMITS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct acl_facts;
struct rate_counters; /* opaque: of all configurations in use */
struct rate_limit_lines;
struct rate_limits; /* opaque: of one configuration */

struct rate_counters *rate_counters_create(void);
void rate_counters_destroy(struct rate_counters *counters); /* accepts NULL */

/* NULL: lines limit nothing. lines and counters live longer. */
struct rate_limits *rate_limits_create(const struct rate_limit_lines *lines,
                                       struct rate_counters *counters);
void rate_limits_destroy(struct rate_limits *limits); /* accepts NULL */

struct rate_refusal {
	struct str name;     /* of the rate_limit */
	int64_t retry_after_s; /* 1 at least */
};

/* Counts the request of facts with the limits that need its user (behind http_access), or with the
 * others (before it). True: one of them is used up. A line in cache.log tells of refusals, one in
 * ten seconds for each limit. */
bool rate_limits_refuse(struct rate_limits *limits, bool needs_user, struct acl_facts *facts,
                        int64_t now_ms, struct rate_refusal *refusal);

#endif

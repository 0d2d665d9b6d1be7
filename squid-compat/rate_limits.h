/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/rate_limits.h: rate_limit and rate_limit_access (ours): how many requests a second
 * one client, user, host and so on may make, and whose requests count.
 *
 *     rate_limit NAME RATE BURST KEY...        rate_limit_access NAME allow|deny [!]ACL...
 *
 * Threads: built by one, immutable and shared after that. Strings lie in the arena given. */
#ifndef SQUID_COMPAT_RATE_LIMITS_H
#define SQUID_COMPAT_RATE_LIMITS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/http/message.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct access_list;
struct acl_set;

enum {
	RATE_LIMIT_MAX_KEYS = 4,
	RATE_LIMIT_MAX_LIMITS = 64,
	RATE_LIMIT_MAX_PATH_SEGMENTS = 32,
	/* One request costs so many units; a rate of one a day is then a whole number a second. */
	RATE_LIMIT_UNITS = 86400,
};

enum rate_key_kind {
	RATE_KEY_ADDRESS, /* the client's, as ACLs see it; of IPv6 the /64 */
	RATE_KEY_NETWORK, /* the same, the /24; of IPv6 the /48 */
	RATE_KEY_USER,    /* without one: the address */
	RATE_KEY_HOST,    /* of the URL */
	RATE_KEY_PATH,    /* its first segments */
	RATE_KEY_HEADER,  /* the value of a field; without one: the address */
};

struct rate_key {
	enum rate_key_kind kind;
	unsigned nsegments;     /* RATE_KEY_PATH */
	struct str header;      /* RATE_KEY_HEADER */
	enum http_field_id header_id;
};

struct rate_limit_line {
	struct list node;
	struct str name;
	struct str identity; /* all of the line that counters depend on */
	int64_t units_per_s, burst_units;
	struct str rate;     /* as written */
	unsigned nkeys;
	struct rate_key keys[RATE_LIMIT_MAX_KEYS];
	bool needs_user; /* it is asked behind http_access */
	struct access_list *access; /* NULL: all requests count */
};

struct rate_limit_lines {
	struct list all; /* struct rate_limit_line, in the order of the file */
	unsigned n;
	struct arena *arena_;
};

void rate_limit_lines_init(struct rate_limit_lines *lines, struct arena *arena);
void rate_limit_lines_fini(struct rate_limit_lines *lines);

/* One line of each, whole. What is wrong with it is said to report. */
void rate_limit_lines_parse(struct rate_limit_lines *lines, const struct words *words,
                            struct report *report);
void rate_limit_lines_parse_access(struct rate_limit_lines *lines, struct acl_set *set,
                                   const struct words *words, struct report *report);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/pool_report.h: what a pool of helpers and each of its children do, for whoever shows it
 * to people. Memory is constant: a histogram each, and a ring of what was last written to stderr.
 *
 * Threads: the home loop's. Views are valid within the call that shows them. */
#ifndef HELPERS_POOL_REPORT_H
#define HELPERS_POOL_REPORT_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "helpers/pool.h"

enum {
	HELPER_NOTES = 16,        /* lines of stderr that a pool remembers */
	HELPER_NOTE_BYTES = 200,  /* of each; what is longer is cut */
};

/* Whether requests are given to children. */
enum helper_breaker {
	HELPER_BREAKER_CLOSED,  /* as usual */
	HELPER_BREAKER_OPEN, /* none can be kept alive: requests end at once, until the next try */
	HELPER_BREAKER_PROBING, /* a child was started to see whether it answers */
};
const char *helper_breaker_name(enum helper_breaker breaker); /* "closed", "open", "probing" */

struct helper_pool_view {
	struct helper_pool_stats stats;
	enum helper_breaker breaker;
	unsigned nfailures;     /* children in a row that died without an answer */
	int64_t retry_in_ms;    /* until a child is started again; 0: at need */
	const char *last_end;   /* why a child ended last: "exited with status 1"; "": none did */
	int64_t last_end_us;    /* when, monotonic; 0: never */
};
void helper_pool_view(const struct helper_pool *pool, struct helper_pool_view *out);

struct helper_child_view {
	uint64_t number; /* #HlprN */
	pid_t pid;
	int fd; /* our end of its stdin and stdout */
	int64_t age_ms;
	uint64_t nrequests, nreplies, ntimeouts;
	unsigned nin_flight;
	int64_t latest_us; /* how long its oldest open request has taken, or its last reply took */
	bool is_kept;      /* for a conversation */
	bool is_leaving;   /* it ends after what it was asked */
	const struct histogram *times;
};
/* In the order of their start. */
void helper_pool_each_child(const struct helper_pool *pool,
			    void (*show)(void *owner, const struct helper_child_view *child),
			    void *owner);

/* Lines from stderr, the oldest one first, as they came: any bytes. number is the child's. */
void helper_pool_each_note(const struct helper_pool *pool,
                           void (*show)(void *owner, uint64_t number, int64_t at_us,
                                        struct str text),
                           void *owner);

#endif

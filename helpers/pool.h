/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/pool.h: the children of one helper directive, and who may ask them. Squid: cf.data.pre,
 * url_rewrite_children; messages name the kind as Squid's do.
 *
 * A request goes to the first child that has nothing to do, in start order; else to the least
 * loaded one that may take more (concurrency); else it waits, first come first served. New children
 * are started as need shows (idle at once, max in all). A request whose child died is sent once
 * more; a BH is sent three times in all; a deadline counts from helper_pool_ask. A child that
 * breaks the protocol is replaced. Children that die without ever having answered are started again
 * after 0.1 s, 0.2 s ... 60 s; after the third such death requests end at once with HELPER_GONE
 * until one lives: the proxy does not die of its helpers (Squid does).
 *
 * Threads: a pool lives in its home loop; whatever says "any thread" gets there by mail. The loops
 * of all that ask must run until their requests are done or cancelled. */
#ifndef HELPERS_POOL_H
#define HELPERS_POOL_H
#include <stdbool.h>
#include <stdint.h>

#include "helpers/line.h"
#include "lib/base/histogram.h"
#include "lib/net/loop.h"

struct helper_pool; /* opaque */

struct helper_pool_config {
	const char *kind;        /* "redirector", "basicauthenticator" ... */
	const char *const *argv; /* program and arguments, NULL-terminated */
	const char *squid_debug; /* debug_options for SQUID_DEBUG; NULL: not set */
	unsigned max, startup,
		idle;          /* children; idle 0 counts as 1; startup and idle at most max */
	unsigned concurrency;  /* requests at a time for each child, with channel ids; 0: one,
	                          without */
	unsigned queue_size;   /* requests that may wait before it counts as overload */
	bool bypass_when_full; /* url_rewrite_bypass: a full queue ends a request with HELPER_BUSY
	                        */
	int64_t timeout_ms;    /* of a request, from ask on; 0: none */
	unsigned timeout_resends; /* on_timeout=retry: how often a request is sent again; else 0 */
	int64_t grace_ms;         /* for stopping children, see child.h; 0: 2000 */
	int64_t reservation_ms;   /* how long a conversation may pause; 0: 60000 */
	/* Raw lines of the children's stderr, on the home loop; NULL: log_say. */
	void (*stderr_line)(const char *text, size_t len);
	/* The pool's memory and its last child have gone; on the home loop. May be NULL. */
	void (*gone)(void *arg);
	void *gone_arg;
};

/* The pool, with one reference, the caller's. config is copied. Any thread; the startup children
 * are started by the home loop, at once when called on it. */
struct helper_pool *helper_pool_create(struct loop *home, const struct helper_pool_config *config);
struct helper_pool *helper_pool_ref(struct helper_pool *pool); /* any thread */
/* Any thread; the last one sends the children EOF and frees the pool when they have gone. */
void helper_pool_unref(struct helper_pool *pool);

/* Its successor is up: idle children get EOF now, busy ones after their replies. Whoever still asks
 * is answered, by a child started for it if need be. Any thread. */
void helper_pool_retire(struct helper_pool *pool);

/* Rotation: fresh children take over, the old ones end as for retire. Any thread. */
void helper_pool_renew(struct helper_pool *pool);

/* Nobody needs answers any more: whatever is asked, now or later, ends with HELPER_GONE, and
 * children get EOF. Any thread. */
void helper_pool_abandon(struct helper_pool *pool);

/* No child can be kept alive, or started: what is asked ends with HELPER_GONE. Any thread. */
bool helper_pool_is_down(const struct helper_pool *pool);

/* The loop that it lives in. Any thread. */
struct loop *helper_pool_home(const struct helper_pool *pool);

/* A question, embedded by who asks. Zeroed means: nothing asked. */
struct helper_request {
	struct loop *loop; /* who asks: ask and cancel are called on it, done runs on it */
	void (*done)(struct helper_request *request);
	/* The answer, from done on: helper_request_fini, or the next ask, frees it. Never NULL
	 * then. */
	struct helper_reply *reply;
	/* Of kinds that talk (NTLM, Negotiate: concurrency is 0): 0: it stands alone. What begins
	 * one waits for a child like any, which is kept for it as long as it answers TT; what goes
	 * on with it ends with HELPER_GONE if that child has gone. A BH is not sent again. */
	uint64_t conversation;
	bool goes_on;
	struct helper_job *job_;
};

/* Asks. text is the line without id and LF (a CR, LF or NUL in it is a bug of the caller), copied.
 * done comes later, from the loop, never from within this call. */
void helper_pool_ask(struct helper_pool *pool, struct helper_request *request, struct str text);

/* A number for a conversation. Any thread. */
uint64_t helper_conversation_new(void);
/* Its child may serve others. Any thread; fine when it has ended by itself. */
void helper_conversation_end(struct helper_pool *pool, uint64_t conversation);

/* done will not be called. Fine when nothing is asked. */
void helper_request_cancel(struct helper_request *request);
/* Cancels and frees the answer; the struct may be used again. */
void helper_request_fini(struct helper_request *request);

/* For the manager's tables; home loop only (pool_report.h has more). */
struct helper_pool_stats {
	unsigned nrunning, nending; /* children that work, and those whose end is awaited */
	unsigned nqueued, nin_flight;
	uint64_t nstarts, nrequests, nreplies, ntimeouts, ndeaths;
	uint64_t nrefused; /* requests that a full queue turned away */
	bool is_broken;    /* no child can be kept alive */
	uint64_t times_us;      /* the sum of times */
	struct histogram times; /* us from the sending of a request to its reply */
};
void helper_pool_stats(const struct helper_pool *pool, struct helper_pool_stats *out);

#endif

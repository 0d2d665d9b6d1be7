/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/origin_pool.h: a worker's connections to origins, and those of them that idle.
 *
 * An idle connection stays registered and is taken last in, first out; whatever it sends, and its
 * close, ends it. Threads: one worker's. */
#ifndef PROXY_ORIGIN_POOL_H
#define PROXY_ORIGIN_POOL_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/net/stream.h"

struct origin_pool; /* opaque */
struct peer_state;
struct worker;

/* One connection; whoever holds it owns it. */
struct origin_conn {
	struct list node_;
	struct stream stream;
	struct timer idle_timer_;
	struct origin_pool *pool_;
	struct peer_state *state; /* counted in its nconns; NULL for direct */
	uint64_t key;             /* what it may be used for */
	struct addr addr;
	struct addr local; /* our end; unset before the first request on it */
	int64_t opened_ms;
	bool is_reused, is_idle_;
	struct peer_state *entered; /* where it counts as a request until it closes (a tunnel): peer_queue.h;
	                               NULL: its user sees to that */
};

struct origin_pool *origin_pool_create(struct worker *worker);
void origin_pool_destroy(struct origin_pool *pool); /* closes idle ones; accepts NULL */

/* The newest idle connection for key, or NULL. The taker sets the stream's owner. is_last_chance:
 * what is lost on it cannot be sent again, so that the system is asked whether it is open still;
 * for others it is enough that it was when the loop woke up. */
struct origin_conn *origin_pool_take(struct origin_pool *pool, uint64_t key, bool is_last_chance);

/* How many idle ones there are for key. */
unsigned origin_pool_count(struct origin_pool *pool, uint64_t key);

/* The key of connections to a peer that any request may use, from whatever address of ours. */
static inline uint64_t origin_key_of(const struct peer_state *state)
{
	return (uint64_t)(uintptr_t)state;
}

/* Where to connect to, and for whom. */
struct origin_target {
	uint64_t key;
	struct peer_state *state; /* NULL for direct */
	const char *unix_path;    /* a Unix socket, which is connected at once; NULL: addr */
	const struct addr *addr;
	const struct stream_connect_options *options; /* of addr; NULL: the system's */
	void (*wake)(void *owner);                    /* the stream's */
	void *owner;
};

/* Starts to connect; 0, or a negative errno with *out untouched. */
int origin_connect(struct origin_pool *pool, const struct origin_target *target,
		   struct origin_conn **out);

/* Does that errno of a connect say that nobody listens there? It comes at once. */
bool origin_has_refused(int error);

/* Gives a connection that may be used again back, for idle_ms at most; or closes it, when it is
 * older than lifetime_ms (0: no limit). */
void origin_keep(struct origin_conn *conn, int64_t idle_ms, int64_t lifetime_ms);
void origin_close(struct origin_conn *conn); /* accepts NULL */

/* A connection more is about to be opened where there may be max: if there are as many, one that
 * idles is closed, here or at another worker (soon). */
void origin_pool_make_room(struct origin_pool *pool, struct peer_state *state, unsigned max);

/* Descriptors are short: closes some idle ones, max at most, those that were used longest ago first
 * where they serve the same. How many it closed. */
unsigned origin_pool_shed(struct origin_pool *pool, unsigned max);
bool origin_pool_has_idle(const struct origin_pool *pool);

/* Closes all idle ones. */
void origin_pool_drain(struct origin_pool *pool);

#endif

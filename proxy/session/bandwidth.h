/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/bandwidth.h: delay_pools, client_delay_pools and response_delay_pool at work: the
 * buckets of one configuration, and the pace of one reply.
 *
 * Buckets are shared by all workers, and their number does not depend on that of clients: networks
 * and hosts have a place each in a table as in Squid (the last bytes of an IPv4 address), or by a
 * hash, where two may share one. A reply that has to wait has a timer; nothing else waits.
 *
 * Threads: struct bandwidth any (atomics); a pace is its transaction's worker's. */
#ifndef PROXY_BANDWIDTH_H
#define PROXY_BANDWIDTH_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/loop.h"
#include "proxy/session/rate_bucket.h"

struct acl_facts;
struct arena;
struct bandwidth; /* opaque */
struct delay_config;

/* NULL: config limits nothing. config stays the caller's and lives longer. */
struct bandwidth *bandwidth_create(const struct delay_config *config, int64_t now_ms);
void bandwidth_destroy(struct bandwidth *bandwidth); /* accepts NULL */

enum { PACE_MAX_BUCKETS = 6 };

struct pace {
	struct loop *loop;
	struct timer timer;
	void (*resume)(void *owner); /* from the loop: there is something to be had again */
	void *owner;
	struct rate_bucket own; /* response_delay_pool's individual one */
	unsigned n;
	struct {
		struct rate_bucket *bucket;
		struct rate_limit limit;
	} at[PACE_MAX_BUCKETS];
};

struct pace_order {
	struct loop *loop;
	struct arena *arena;      /* the pace lies in it */
	struct acl_facts *facts;  /* of the reply; access rules are asked about them */
	const struct addr *client; /* whose buckets delay_pools uses; facts->client is the others' */
	bool is_hit;              /* delay_pools does not concern it */
	void (*resume)(void *owner);
	void *owner;
};

/* NULL: nothing slows this reply down. pace_stop comes before the arena goes. */
struct pace *bandwidth_pace(struct bandwidth *bandwidth, const struct pace_order *order);
void pace_stop(struct pace *pace); /* accepts NULL */

/* How many of max bytes may go now; 0: none, and resume will be called. */
uint64_t pace_may(struct pace *pace, uint64_t max);
void pace_took(struct pace *pace, uint64_t bytes);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_table.h: what is known of each cache_peer while serving: connections, failures, health.
 * By name, outside the snapshots, so that it survives a reload.
 *
 * Threads: the table is guarded by its lock; a state's counters are atomics (relaxed: each stands
 * for itself) and a state lives as long as the table. */
#ifndef PROXY_PEER_TABLE_H
#define PROXY_PEER_TABLE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct peer_table; /* opaque */

struct peer_state {
	struct peer_state *next_;
	char *name;
	atomic_int nconns;       /* open connections, idle ones too (max-conn) */
	atomic_int nfails;       /* connects that failed in a row */
	atomic_bool is_dead;
	atomic_uint retry_at_s;  /* monotonic: when a dead peer may be tried again */
	atomic_uint nfetches;
};

struct peer_table *peer_table_create(void);
void peer_table_destroy(struct peer_table *table);

/* The state of that name, made when there is none. */
struct peer_state *peer_table_get(struct peer_table *table, struct str name);

/* A connect succeeded, or failed for the limit-th time in a row. Says DEAD and REVIVED in the log. */
void peer_state_succeeded(struct peer_state *state);
void peer_state_failed(struct peer_state *state, unsigned limit, int64_t now_ms);

/* May a request try it now? Of a dead one: a single request each second. */
bool peer_state_may_try(struct peer_state *state, int64_t now_ms);

#endif

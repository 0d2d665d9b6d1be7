/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_standby.h: cache_peer standby=N: connections to a peer that are ready before a
 * request asks for them, so that it waits for no connect and no handshake. Each worker (Squid: each
 * process) sees to it that N idle ones lie in its pool, and opens one at a time. Idle ones that
 * requests have left count like those that were opened for this.
 *
 * Threads: one worker's. */
#ifndef PROXY_PEER_STANDBY_H
#define PROXY_PEER_STANDBY_H

struct peer_standby; /* opaque */
struct snapshot;
struct worker;

struct peer_standby *peer_standby_create(struct worker *worker);
void peer_standby_destroy(struct peer_standby *standby); /* accepts NULL */

/* The peers of that snapshot from now on, of which it takes a reference if one of them has
 * standby=. */
void peer_standby_take(struct peer_standby *standby, struct snapshot *snapshot);
/* No peers any more, nor a reference to a snapshot. */
void peer_standby_stop(struct peer_standby *standby);

#endif

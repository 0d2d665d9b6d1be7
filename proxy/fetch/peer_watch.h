/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_watch.h: looks after the peers, whether requests come or not. One with health=
 * or monitorurl= is asked again and again; any other one, once it is down for failed connects, is
 * connected to each second until that succeeds (Squid: only when a request looks at it).
 *
 * Threads: one worker's, the home loop's. */
#ifndef PROXY_PEER_WATCH_H
#define PROXY_PEER_WATCH_H

struct peer_watch; /* opaque */
struct snapshot;
struct worker;

struct peer_watch *peer_watch_create(struct worker *worker);
void peer_watch_destroy(struct peer_watch *watch); /* accepts NULL */

/* The peers of that snapshot from now on, of which it takes a reference. */
void peer_watch_take(struct peer_watch *watch, struct snapshot *snapshot);
/* No peers any more, nor a reference to a snapshot. */
void peer_watch_stop(struct peer_watch *watch);

#endif

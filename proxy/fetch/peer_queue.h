/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_queue.h: who may have a request with a peer that takes max-conn= of them at a
 * time, and who waits for it (max-conn-queue=, ours): in the order of asking, whatever the worker.
 *
 * Threads: any. A ticket is its worker's; who waits is guarded by the peer's lock. */
#ifndef PROXY_PEER_QUEUE_H
#define PROXY_PEER_QUEUE_H
#include <stdbool.h>

struct loop;
struct peer_state;
struct peer_ticket; /* opaque */

/* One request more, unless it has max of them (0: no limit). True: peer_leave must follow. */
bool peer_enter(struct peer_state *state, unsigned max);
/* It has one less; whoever waits longest is let in. */
void peer_leave(struct peer_state *state);

/* Waits for a place, unless max_waiting do so already: then NULL. granted is called from the loop
 * once there is one, as by peer_enter; the ticket is gone by then. */
struct peer_ticket *peer_wait(struct peer_state *state, unsigned max, unsigned max_waiting,
			      struct loop *loop, void (*granted)(void *owner), void *owner);
/* Waits no more. On the loop's thread; accepts NULL. */
void peer_ticket_cancel(struct peer_ticket *ticket);

#endif

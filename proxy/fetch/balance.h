/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/balance.h: whom the methods of balancing choose first among the peers of one
 * snapshot. Squid: round-robin, weighted-round-robin, carp, sourcehash, userhash. Ours: least-conn
 * and peak-ewma, the better one of two that are drawn by weight, or of up to six while it is busy.
 * All cost about as much for a hundred peers as for two.
 *
 * Threads: one worker's; a snapshot has one for each. */
#ifndef PROXY_BALANCE_H
#define PROXY_BALANCE_H
#include <stdbool.h>
#include <stdint.h>

struct balance; /* opaque */
struct carp_key;
struct peer;
struct peer_state;
struct peer_sticky;
struct peer_table;
struct peers;

/* peers and states (by peer->index) must outlive it. */
struct balance *balance_create(const struct peers *peers, struct peer_state *const *states,
			       struct peer_table *table);
void balance_destroy(struct balance *balance); /* accepts NULL */

enum balance_verdict {
	BALANCE_NO,
	BALANCE_PASSES, /* it lets this turn pass: it has just come back */
	BALANCE_YES,
};

/* What is asked about: may this peer be the first to be tried? The same answer each time. */
struct balance_judge {
	enum balance_verdict (*may_use)(void *owner, const struct peer *peer);
	void *owner;
	int64_t now_ms;
};

/* The peer whose turn it is among those with that one bit of enum peer_select; NULL: none may be
 * used. The turn counts as taken. */
const struct peer *balance_turn(struct balance *balance, unsigned select,
				const struct balance_judge *judge);

/* The peer that key belongs to among those with that bit. */
const struct peer *balance_hashed(struct balance *balance, unsigned select,
				  const struct carp_key *key, const struct balance_judge *judge);

/* The one with less to do for its weight, or the faster one, of two or a few drawn. */
const struct peer *balance_drawn(struct balance *balance, unsigned select,
				 const struct balance_judge *judge);

/* Are there any with that bit? */
bool balance_has(const struct balance *balance, unsigned select);

/* Those with sticky=; NULL: there are none. */
const struct peer_sticky *balance_sticky(const struct balance *balance);

/* A number below 1000, drawn anew each time. */
unsigned balance_draw_permille(struct balance *balance);

#endif

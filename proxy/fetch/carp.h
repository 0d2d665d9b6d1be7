/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/carp.h: which peer a key belongs to, by the hashes of the CARP draft as Squid
 * computes them (carp, sourcehash, userhash): the one with the highest score of key and name, by
 * its weight. Finding it costs much the same whatever the number of peers.
 *
 * Threads: one worker's. */
#ifndef PROXY_CARP_H
#define PROXY_CARP_H
#include "lib/base/str.h"

struct carp; /* opaque */
struct peer;

/* The text that is hashed for that peer; the same for peers with the same carp-key. */
struct carp_key {
	struct str (*of)(void *owner, const struct peer *peer);
	void *owner;
};

/* Of n members, by number; carp_weigh comes first. */
struct carp *carp_create(unsigned n);
void carp_destroy(struct carp *carp); /* accepts NULL */

/* peer must outlive it. After all are set, and whenever a weight was: carp_weigh. */
void carp_set(struct carp *carp, unsigned i, const struct peer *peer, unsigned weight);
void carp_weigh(struct carp *carp);

/* The member with the highest score, the first of them; n when there are none. */
unsigned carp_first(struct carp *carp, const struct carp_key *key);

/* All scores, by member; until the next call. */
const double *carp_scores(struct carp *carp, const struct carp_key *key);

#endif

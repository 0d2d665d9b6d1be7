/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_wishes.h: what the operator said of peers (drain, weight) as text, so that
 * another serving process goes on with it: after an upgrade, or when the one that heard it has
 * died. A line for each peer, IS_DRAINED SP WEIGHT SP NAME; WEIGHT 0: the configuration's.
 *
 * Threads: any. */
#ifndef PROXY_PEER_WISHES_H
#define PROXY_PEER_WISHES_H
#include "lib/base/str.h"

struct buf;
struct peer_table;
struct peers; /* squid-compat/peers.h */

/* Adds what was said of those peers; what goes beyond out's maximum is left out. */
void peer_wishes_write(const struct peers *peers, struct peer_table *table, struct buf *out);

/* Lines that are not understood, and peers that are not among those, are passed over. */
void peer_wishes_take(const struct peers *peers, struct peer_table *table, struct str lines);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_sticky.h: sticky=NAME (ours): a cookie that brings a client back to the peer
 * that served it. Its value is a hash of the peer's name, the same in every instance.
 *
 * Threads: any. */
#ifndef PROXY_PEER_STICKY_H
#define PROXY_PEER_STICKY_H
#include <stdbool.h>

#include "lib/http/message.h"

struct buf;
struct peer;
struct peers;
struct peer_sticky; /* opaque: all that have sticky=, by their cookies' values; immutable */

/* NULL: there are none. peers must outlive it. */
struct peer_sticky *peer_sticky_create(const struct peers *peers);
void peer_sticky_destroy(struct peer_sticky *sticky); /* accepts NULL */

/* Offers each peer whose cookie came with the request, in the order of the cookies; true as soon as
 * one is taken. However many peers there are, a cookie costs the same. */
bool peer_sticky_offer(const struct peer_sticky *sticky, const struct http_head *head,
		       bool (*take)(void *owner, const struct peer *peer), void *owner);

/* Did a request with this head come with the peer's cookie? False without sticky=. */
bool peer_sticky_has(const struct peer *peer, const struct http_head *head);

/* The Set-Cookie line, with its end. is_secure: the client speaks TLS. */
void peer_sticky_add(const struct peer *peer, bool is_secure, struct buf *out);

#endif

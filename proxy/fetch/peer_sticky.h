/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_sticky.h: sticky=NAME (ours): a cookie that brings a client back to the peer that served
 * it. Its value is a hash of the peer's name, the same in every instance.
 *
 * Threads: pure functions. */
#ifndef PROXY_PEER_STICKY_H
#define PROXY_PEER_STICKY_H
#include <stdbool.h>

#include "lib/http/message.h"

struct buf;
struct peer;

/* Did a request with this head come with the peer's cookie? False without sticky=. */
bool peer_sticky_has(const struct peer *peer, const struct http_head *head);

/* The Set-Cookie line, with its end. is_secure: the client speaks TLS. */
void peer_sticky_add(const struct peer *peer, bool is_secure, struct buf *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tunnel/tunnel.h: bytes between a client and an origin who have changed to another protocol
 * (101 Switching Protocols; WebSocket over HTTP/2).
 *
 * What the origin sends becomes an object without end, which the reply follows like any other; what
 * the client sends comes by the exchange's read_body. So neither side is read faster than the other
 * one takes it, and all that a tunnel ever holds is bounded. An end of one direction is passed on,
 * and the other direction goes on; a connection that breaks breaks the other one.
 *
 * Threads: one worker's. Ends with its transaction. */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/str.h"

struct exchange;
struct object;
struct origin_conn;
struct tunnel; /* opaque */
struct stream; /* lib/net/stream.h */
struct worker;

struct tunnel_order {
	struct worker *worker;
	struct exchange *exchange; /* the client's; outlives the tunnel */
	struct origin_conn *conn;  /* given away */
	struct str head; /* of the reply: what an object's head has; copied */
	struct str rest; /* what came behind the origin's head; copied */
	int status;      /* of the reply */
	int64_t idle_ms; /* without a byte in either direction it ends */
	int64_t lifetime_ms; /* and at its latest then */
};

/* Nothing flows before tunnel_start. */
struct tunnel *tunnel_create(const struct tunnel_order *order);
/* Breaks what has not ended yet. Accepts NULL. */
void tunnel_destroy(struct tunnel *tunnel);

/* What the reply follows; borrowed. */
struct object *tunnel_object(const struct tunnel *tunnel);

/* The reply is made: from now on the exchange's read_body gives what the client sends. */
void tunnel_start(struct tunnel *tunnel);

/* The client may have sent more. */
void tunnel_wake(struct tunnel *tunnel);

/* What stream_read said of one end of a tunnel: is it the end of what the peer sends? A TLS peer
 * that closes without a word (many do) has ended too: what a tunnel carries knows its own ends.
 * has_shut_down: we write no more to it. */
bool tunnel_has_ended(const struct stream *stream, ssize_t n, bool has_shut_down);

#endif

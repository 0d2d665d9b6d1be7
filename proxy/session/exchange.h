/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/exchange.h: one request and its reply, as a client session offers it to a
 * transaction, whatever the protocol beneath (HTTP/1, HTTP/2).
 *
 *     session: parses a head → transaction_begin → the transaction works, maybe over many turns
 *     transaction: pulls the request body by ops->read_body; fills `reply`; calls ops->reply_ready
 *     session: writes the reply, following its object → transaction_end, which logs and frees
 *
 * Threads: one worker's. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "cache/object.h"
#include "lib/http/h1.h"
#include "lib/net/addr.h"
#include "proxy/session/minimum_rate.h"

struct auth_connection; /* helpers/auth_connection.h */
struct client; /* proxy/session/clients.h */
struct exchange;
struct notes_kept;
struct pace;
struct port;
struct tls_facts; /* lib/net/stream_tls.h */
struct tls_peer;  /* lib/net/tls_identity.h */

enum { REPLY_MAX_PIECES = 4 };

/* One of several stretches of the body (multipart/byteranges), with what stands before it. */
struct reply_part {
	struct str head;
	uint64_t offset, len; /* len 0: the end of it all */
};

/* What the client gets: pieces of a head, then the body that a reader follows. */
struct reply {
	/* Up to and with the empty line (head_bytes); then perhaps a body made here. Valid until
	 * the end. */
	struct iovec head[REPLY_MAX_PIECES];
	int nhead;
	int status;
	bool has_body;     /* bytes follow the head: those of reader */
	bool is_chunked;   /* in chunks, as the length is not known */
	bool takes_trailers; /* and the object's trailers behind them */
	bool close_after;  /* the connection ends with this reply */
	bool is_tunnel;    /* reader's bytes have no frame, and the client's go the other way: read_body */
	bool is_tunnel_over; /* nothing of the client's is taken any more: the stream ends with reader */
	bool was_dear;     /* to make: it may wait for others of this turn of the loop */
	bool reset;        /* send nothing: reset the connection (deny_info TCP_RESET) */
	struct pace *pace;  /* bandwidth.h: how fast; NULL: as fast as it goes */
	uint64_t cut_at;    /* a body of unknown length may have these bytes, then it is cut; 0: all */
	uint64_t body_left; /* bytes of the reader still to send; UINT64_MAX: to its end */
	/* The body is made of these, the last one of len 0; body_left counts their heads too. */
	const struct reply_part *parts; /* NULL: it is one piece */
	uint64_t part_left;
	struct object_reader reader; /* open if has_body */
	uint64_t head_bytes;
	uint64_t sent_bytes; /* counted by the session; a head as HTTP/1 has it */
};

struct exchange_ops {
	/* Up to size bytes of the request's body, decoded (with reply.is_tunnel: of whatever the
	 * client sends behind its head), into into: the number; 0 at its end;
	 * STREAM_WAIT (body_wake comes when it may go on); or -errno: broken (-EPROTO), gone. */
	ssize_t (*read_body)(struct exchange *exchange, void *into, size_t size);
	/* The reply may be written from now on. Not called for one that was ready when
	 * transaction_begin returned. The exchange may be gone when this returns. */
	void (*reply_ready)(struct exchange *exchange);
	/* The client is to be told to go on with its body, if it waits for that (Expect). */
	void (*send_continue)(struct exchange *exchange);
	/* An interim answer of the origin (1xx), whole; copied. One that cannot go out at once is
	 * dropped. */
	void (*send_interim)(struct exchange *exchange, struct str head);
	/* clientside_tos: of the packets of the client's connection, from now on. NULL: there is
	 * none. */
	void (*set_tos)(struct exchange *exchange, int tos);
	/* How the client's connection is secured; false: not at all. NULL: never. */
	bool (*tls_facts)(struct exchange *exchange, struct tls_facts *out);
};

/* A connection of whatever protocol, for who looks at them all. */
struct session_view {
	int fd;
	uint64_t nrequests;
	size_t nread; /* bytes that wait */
};
typedef void session_view_fn(void *owner, const struct session_view *view,
			     const struct exchange *exchange);

struct exchange {
	const struct exchange_ops *ops;
	void *session;
	const struct port *port;    /* where it came in; belongs to the transaction's snapshot */
	struct addr client, local;
	unsigned client_connections; /* from its address, as the request came */
	struct client *counts;      /* of the client's address; NULL: not counted */
	const struct tls_peer *tls_peer; /* who its certificate says the client is; NULL: none */
	struct notes_kept **client_notes; /* the connection's annotations; NULL: it keeps none */
	struct auth_connection **client_auth; /* the connection's; NULL: streams share it (HTTP/2) */
	bool may_keep_alive;        /* the connection may go on after the reply */
	bool is_http2;              /* request is as HTTP/1.1 would have it all the same */
	bool is_extended_connect;   /* RFC 8441: request asks for the Upgrade that :protocol stands for */
	bool is_timed_out;          /* cut short: its client or client_lifetime took too long */
	int64_t began_ms;           /* its head was whole; the loop's monotonic clock */
	struct minimum_rate giving, taking; /* of the request, and of the reply */
	struct http_request request;
	uint64_t request_bytes;     /* received so far: head and body as on the wire */
	uint64_t request_head_bytes;
	bool is_body_read;          /* the request's body was taken to its end (or there is none) */
	enum h1_error body_error;   /* why its framing was refused; H1_OK: it was not */
	struct reply reply;
};

#endif

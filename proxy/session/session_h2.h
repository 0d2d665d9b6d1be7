/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/session_h2.h: one client connection over HTTP/2 (RFC 9113), by nghttp2: chosen in
 * the TLS handshake (ALPN h2), or in clear by the connection preface on a port with the option h2c.
 *
 * Each stream is an exchange. A session of HTTP/1 accepts every connection and hands it over when
 * it turns out to speak HTTP/2. Threads: one worker's. */
#ifndef PROXY_SESSION_H2_H
#define PROXY_SESSION_H2_H
#include <stdbool.h>

#include "lib/base/list.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "proxy/session/exchange.h"

struct client_count; /* proxy/session/client_table.h */
struct listener;
struct port;
struct snapshot;
struct stream;
struct worker;

struct session_h2_origin {
	struct worker *worker;
	struct listener *listener; /* a reference is taken, as of snapshot */
	struct snapshot *snapshot;
	const struct port *port;   /* of snapshot */
	const struct addr *client;
	struct client_count *count; /* in server->clients; given back at the end. May be NULL */
	const struct addr *local;  /* from the PROXY header; NULL: the connection's own */
};

/* Goes on with a connection, of which stream (no write may wait) is not open afterwards. already:
 * what was read of it before. The session frees itself at its end. */
void session_h2_start(const struct session_h2_origin *origin, struct stream *stream,
                      struct str already);

/* Do these bytes begin a connection with prior knowledge? *is_whole: all of the preface is
 * there. */
bool session_h2_is_preface(const char *bytes, size_t len, bool *is_whole);

/* Asks the sessions of a listener (NULL: all of the worker's) to end: they send GOAWAY and go when
 * their streams are done (with now: at once). */
void session_h2_stop_all(struct worker *worker, const struct listener *listener, bool now);

/* Shows each exchange under way of a node of worker->h2_sessions. */
void session_h2_view(const struct list *node, session_view_fn *see, void *owner);

/* As session_h1_shed, of connections that have had no stream for a second. */
unsigned session_h2_shed(struct worker *worker, unsigned max);

#endif

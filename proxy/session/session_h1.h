/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/session_h1.h: one client connection over HTTP/1, from accept to close.
 *
 *     READ_HEAD → AWAIT_REPLY → WRITE_REPLY → (READ_HEAD | DRAIN | LINGER) …      (any → CLOSED)
 * RFC 9112 §9.3 (persistence, pipelining), §9.6 (tear-down). Threads: one worker's. */
#ifndef PROXY_SESSION_H1_H
#define PROXY_SESSION_H1_H
#include "lib/base/list.h"
#include "lib/net/addr.h"
#include "proxy/session/exchange.h"

struct listener;
struct worker;

/* Serves the connected socket fd; the session frees itself at its end. */
void session_h1_start(struct worker *worker, struct listener *listener, int fd,
                      const struct addr *client);

/* Asks all of a worker's sessions to end: idle ones now, the others after their reply (with now:
 * those too). */
void session_h1_stop_all(struct worker *worker, bool now);

/* Shows the exchange under way, if there is one, of a node of worker->sessions. */
void session_h1_view(const struct list *node, session_view_fn *see, void *owner);

/* Closes up to max connections on which no request has begun for half a second, the oldest of those
 * that it comes across first: how many. */
unsigned session_h1_shed(struct worker *worker, unsigned max);

#endif

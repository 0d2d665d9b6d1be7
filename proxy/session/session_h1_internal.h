/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/session_h1_internal.h: the struct that session_h1.c (states and ends),
 * session_h1_deadlines.c (how long they last), session_h1_proxy.c (the PROXY header),
 * session_h1_tls.c (the handshake), session_h1_body.c (the exchange that a transaction sees) and
 * session_h1_write.c (the reply) share. */
#ifndef PROXY_SESSION_H1_INTERNAL_H
#define PROXY_SESSION_H1_INTERNAL_H
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/http/h1.h"
#include "lib/net/stream.h"
#include "proxy/session/exchange.h"
#include "proxy/session/session_h1.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/transaction.h"
#include "proxy/worker.h"

enum session_state {
	SESSION_READ_HEAD,
	SESSION_AWAIT_REPLY,
	SESSION_WRITE_REPLY,
	SESSION_DRAIN,
	SESSION_LINGER,
	SESSION_PROXY_HEADER, /* the first, where the port requires one */
	SESSION_HANDSHAKE,    /* the first or second, where the port speaks TLS */
	SESSION_CLOSED,
};

/* What bounds the present wait; how long each is: session_h1_deadlines.c. */
enum deadline {
	DEADLINE_NONE,
	DEADLINE_HANDSHAKE,
	DEADLINE_FIRST_BYTE,
	DEADLINE_IDLE,
	DEADLINE_LAST_CHANCE, /* idle, and the process has a successor */
	DEADLINE_HEAD,
	DEADLINE_REPLY,
	DEADLINE_WRITE,
	DEADLINE_DRAIN,
	DEADLINE_LINGER,
	DEADLINE_TUNNEL, /* the tunnel's own */
};

enum {
	INPUT_MAX_BYTES = 1 << 20, /* of an unfinished head or of pipelined requests
	                              (request_header_max_size bounds a head before this does) */
	DRAIN_MAX_BYTES = 262144,  /* of a body that nobody wanted, read to keep the connection */
	LINGER_MAX_BYTES = 1048576,
	LINGER_MS = 2000,
	DRAIN_MS = 5000,
	LAST_CHANCE_MS = 5000, /* of a connection whose process has a successor */
	HANDSHAKE_MS = 30000, /* at most; request_start_timeout may be shorter */
	WRITE_MAX_BYTES = 262144, /* of a body in one write */
	BODY_IOV = 8,
	SHED_IDLE_MS = 500,    /* idle for so long it may go when descriptors run out */
	SHED_MAX_LOOKS = 1024, /* at sessions, for each that comes */
	SENDFILE_MIN_BYTES = 16384, /* below, a copy is cheaper */
};

/* One worker's. */
struct session {
	struct list node; /* worker->sessions */
	struct stream stream;
	struct timer timer;
	struct worker *worker;
	struct listener *listener;
	struct snapshot *snapshot; /* a reference; renewed at each request */
	const struct port *port;   /* of snapshot */
	struct transaction *transaction;
	struct exchange *exchange; /* of transaction */
	struct buf input;          /* bytes received and not yet consumed */
	struct addr client; /* as accepted, or from the PROXY header */
	struct client_count *count; /* of client's connections; NULL: it has no address */
	struct client *counts; /* of its address, once it asked for something; worker->clients */
	struct addr *local; /* from the PROXY header; NULL: the connection's own */
	struct auth_connection *auth; /* who the connection is; NULL: nobody asked */
	struct notes_kept *notes; /* squid-compat/notes.h; NULL: none */
	struct h1_parser parser;
	struct h1_chunks chunks; /* of the request's body */
	uint64_t body_left;      /* of a request body with a length */
	int64_t opened_ms;
	uint64_t discarded;
	uint64_t body_in_write; /* bytes of the reader in the write under way */
	int64_t until_ms;       /* the end of the present wait; the timer may look before */
	size_t in_write;        /* bytes of the reply in the write that waits */
	size_t unsent;          /* stream_unsent as the timer was set */
	uint32_t nrequests;
	uint8_t state, deadline; /* enum session_state, enum deadline */
	uint8_t write_place;     /* in the worker's write_group, from 1 on; 0: not there */
	bool is_keep_alive, is_head_sent, is_end_sent, is_continue_due, is_body_broken;
	bool is_running, is_stopping, is_lingering, has_shut_down;
	char chunk_head[24];
};

/* ---- session_h1.c */
void session_run(struct session *session);
void session_destroy(struct session *session); /* the only end of a session */
/* session_h1_write.c: it does not wait for others to be written together with. */
void session_leave_write_group(struct session *session);
/* Logs the request and lets go of it; is_end_sent tells whether the reply went out whole. */
void session_end_transaction(struct session *session);

/* Reads once: into the shared buffer when nothing is kept, else behind what is. All bytes so far
 * lie at *at then, *len of them. */
ssize_t session_read_some(struct session *session, char **at, size_t *len);
/* As far as seen: nobody waits for the reply any more. */
bool session_client_is_gone(const struct session *session);
/* The peer closed, or the socket failed, while a head was awaited. */
enum session_state session_end_of_input(struct session *session);

/* Answers what cannot be served; nothing behind it on this connection means anything. */
enum session_state session_refuse(struct session *session, const struct refusal *refusal);

/* It speaks HTTP/2: another session goes on with the connection. already: what was read of it. */
enum session_state session_hand_over(struct session *session, struct str already);

/* ---- session_h1_deadlines.c */
/* The wait that begins now, if it is another than the one that the timer bounds already. */
void session_set_deadline(struct session *session);
void session_timer_fired(struct timer *timer);
/* How long it has waited for a request to begin; 0: it does not. */
int64_t session_idle_ms(const struct session *session);

/* ---- session_h1_proxy.c */
enum session_state session_run_proxy_header(struct session *session);

/* ---- session_h1_tls.c */
enum session_state session_run_handshake(struct session *session);

/* ---- session_h1_body.c */
extern const struct exchange_ops session_exchange_ops;
/* The body behind the head that was just parsed. */
void session_begin_body(struct session *session, struct exchange *exchange);
/* exchange.h's read_body. */
ssize_t session_read_body(struct exchange *exchange, void *into, size_t size);

/* ---- session_h1_write.c */
enum session_state session_run_write_reply(struct session *session);

#endif

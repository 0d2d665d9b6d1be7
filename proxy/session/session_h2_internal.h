/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/session_h2_internal.h: the structs that session_h2.c (life), session_h2_deadlines.c
 * (how long it may last), session_h2_frames.c (what nghttp2 tells of received frames),
 * session_h2_nuisance.c (what they cost), session_h2_stream.c (a stream as an exchange),
 * session_h2_reply.c (its reply) and session_h2_flight.c (writes) share. */
#ifndef PROXY_SESSION_H2_INTERNAL_H
#define PROXY_SESSION_H2_INTERNAL_H
#include <nghttp2/nghttp2.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/http/h2.h"
#include "lib/net/stream.h"
#include "proxy/session/exchange.h"
#include "proxy/session/session_h2.h"
#include "proxy/session/session_h2_memory.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/transaction.h"
#include "proxy/worker.h"

enum {
	H2_MAX_STREAMS = 100,
	H2_STREAM_WINDOW = 262144,     /* of a request's body that nobody has taken yet */
	H2_CONNECTION_WINDOW = 1048576, /* of all of them */
	H2_BODY_IOV = 4,               /* pieces of one DATA frame */
	H2_FLIGHT_BYTES = 65536,
	H2_HEAD_BYTES = 9, /* of a frame */
	/* What clients may cost without asking for anything: session_h2_nuisance.c has the
	 * prices. */
	H2_NUISANCE_MAX = 2000,
	H2_NUISANCE_PERIOD_MS = 10000,
	H2_IDLE_MS = 60000, /* at most: an idle session holds more than one of HTTP/1 does */
};

/* What goes out in one write: frames copied one behind the other, and large pieces of bodies where
 * they lie. */
struct h2_flight {
	struct iovec iov[STREAM_MAX_IOV];
	int niov;
	size_t used; /* of bytes */
	struct list aboard; /* streams with something in it */
	char bytes[H2_FLIGHT_BYTES];
};

/* Finds the heads of frames in what comes. RFC 9113 §4.1. */
struct h2_heads {
	uint8_t at[H2_HEAD_BYTES];
	uint8_t len;      /* of at: what has come of the next head */
	uint32_t skip;    /* bytes before it */
	uint32_t last_id; /* the highest stream that a client began */
};

/* What bounds the present wait. */
enum h2_wait {
	H2_WAIT_NONE,
	H2_WAIT_REST,    /* as idle; its memory goes back soon */
	H2_WAIT_IDLE,    /* for the first request, or another one */
	H2_WAIT_STREAMS, /* a look at their deadlines now and then */
	H2_WAIT_LINGER,
};

/* One worker's. */
struct h2_session {
	struct list node; /* worker->h2_sessions */
	struct stream stream;
	struct timer timer;
	struct loop_task task; /* some stream is due */
	struct worker *worker;
	struct listener *listener;
	struct snapshot *snapshot; /* a reference; renewed at each request */
	const struct port *port;   /* of snapshot */
	nghttp2_session *h2;
	struct h2_memory memory; /* h2's */
	struct list streams; /* all of them */
	struct list due;     /* those for which something is to be done outside of nghttp2's calls */
	struct h2_request request; /* of the list of fields that is being read */
	struct h2_flight *flight;  /* NULL: nothing is being gathered or written */
	struct addr client, local;
	struct client_count *count; /* its address in server->clients */
	struct client *counts; /* of its address, once it asked for something; worker->clients */
	struct notes_kept *notes; /* the client's; NULL: none */
	struct buf served_host;   /* the last one that this connection may ask for */
	int64_t opened_ms, write_began_ms, nuisance_since_ms;
	struct minimum_rate taking; /* of all that is sent */
	uint64_t sent, in_write;    /* bytes of writes that are done, and of the one under way */
	struct h2_heads heads;
	size_t unsent; /* stream_unsent as it was last looked at */
	size_t discarded;
	unsigned nstreams, nrequests, nuisance;
	uint8_t wait; /* enum h2_wait */
	bool is_running, is_over; /* over: to be destroyed at the end of the run */
	bool is_sending;          /* the flight is being written */
	bool is_in_head;          /* a list of fields has begun */
	bool is_leaving;          /* GOAWAY was sent, or will be */
	bool is_failed;           /* the connection has an error: GOAWAY tells which */
	bool is_lingering;
	bool is_resting;          /* since the last stream its memory has gone back */
};

/* What the next DATA frame is made of. */
struct h2_plan {
	struct iovec iov[H2_BODY_IOV];
	int niov;
	size_t made, read; /* bytes of made, and of the reader */
};

/* One worker's. Freed when nghttp2 has closed it and no flight has anything of it. */
struct h2_stream {
	struct list node, due, aboard;
	struct h2_session *session;
	int32_t id;
	struct transaction *transaction; /* NULL: not begun yet */
	struct exchange *exchange;       /* of transaction */
	struct buf head;                 /* until it begins */
	struct buf body;                 /* of the request: received, from body_taken on not yet taken */
	size_t body_taken;
	struct str made;    /* of the reply: bytes that no object has */
	struct h2_plan plan;
	uint64_t in_flight; /* bytes of the reader in the flight */
	uint64_t sent;      /* all bytes in the flight */
	int64_t deadline_ms;
	char status[3];
	bool is_head_too_large, is_extended_connect, is_ended_by_client, is_closed;
	bool was_cut; /* closed by a reset */
	bool has_body_news, has_object_news;
	bool is_answered;      /* the reply was given to nghttp2 */
	bool is_deferred;      /* its DATA wait for the object */
	bool is_continue_due;
	bool is_end_sent, is_reset;
};

/* Its DATA go both ways, each to its own end. */
static inline bool h2_stream_is_tunnel(const struct h2_stream *stream)
{
	return stream->exchange && stream->exchange->reply.is_tunnel;
}

/* ---- session_h2.c */
void h2_session_run(struct h2_session *session);
/* Something is to be done for the stream: soon, from the loop or at the end of the present run. */
void h2_stream_is_due(struct h2_stream *stream);
/* No more requests; what goes on goes on. */
void h2_session_leave(struct h2_session *session);
/* The newest configuration, unless this connection's port is gone from it. */
void h2_session_renew_snapshot(struct h2_session *session);

/* ---- session_h2_deadlines.c */
/* The wait that begins now, if it is another than the one that the timer bounds already. */
void h2_session_set_timer(struct h2_session *session);
void h2_timer_fired(struct timer *timer);

/* ---- session_h2_frames.c */
void h2_frames_start(struct h2_session *session);
/* False: the connection has an error. */
bool h2_frames_feed(struct h2_session *session, const char *bytes, size_t len);

/* ---- session_h2_nuisance.c */
void h2_nuisance_start(struct h2_session *session);
/* Charges for the frames that begin in what was received, whether nghttp2 tells of them or not. */
void h2_nuisance_count(struct h2_session *session, const char *bytes, size_t len);
/* Charges for a reset that the client caused. */
void h2_nuisance_reset(struct h2_session *session);
/* So much was sent. */
void h2_nuisance_pay(struct h2_session *session, size_t sent_bytes);

/* ---- session_h2_stream.c */
struct h2_stream *h2_stream_create(struct h2_session *session, int32_t id);
/* Logs the request, as not answered in whole unless its end was sent. */
void h2_stream_destroy(struct h2_stream *stream);
/* Does what is to be done for those that are due. */
void h2_streams_run(struct h2_session *session);
void h2_stream_reset(struct h2_stream *stream, uint32_t code);

/* ---- session_h2_reply.c */
void h2_reply_submit(struct h2_stream *stream);
void h2_reply_send_interim(struct h2_stream *stream, struct str head);
/* DATA's bytes are in the flight. */
void h2_reply_commit(struct h2_stream *stream);
/* They were sent. */
void h2_reply_landed(struct h2_stream *stream);

/* ---- session_h2_flight.c */
/* Sends what there is, as far as the client takes it. False: it failed. */
bool h2_flight_send(struct h2_session *session);
/* nghttp2's send_data_callback. */
int h2_flight_add_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *head,
                       size_t length, nghttp2_data_source *source, void *user);
void h2_flight_board(struct h2_stream *stream);
void h2_flight_drop(struct h2_session *session);

#endif

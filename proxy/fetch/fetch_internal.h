/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/fetch_internal.h: the struct that the steps of a fetch share: fetch.c (life and
 * ends), fetch_connect.c (where to), fetch_tls.c (the handshake), fetch_upload.c (the request),
 * fetch_answer.c (the answer), fetch_retry.c (another destination). */
#ifndef PROXY_FETCH_INTERNAL_H
#define PROXY_FETCH_INTERNAL_H
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/http/h1.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/fetch_store.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/fetch/peer_select.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

enum fetch_state {
	FETCH_SELECT,
	FETCH_QUEUE,
	FETCH_RESOLVE,
	FETCH_CONNECT,
	FETCH_HANDSHAKE,
	FETCH_SEND,
	FETCH_HEAD,
	FETCH_BODY,
	FETCH_ENDED,
};

enum {
	REQUEST_HEAD_MAX_BYTES = 1 << 20,
	USUAL_HEAD_BYTES = 1024, /* for a start; so much is kept for the next one */
	UPLOAD_BYTES = 32768,
	UPLOAD_KEPT_BYTES = 65536, /* a body up to this is sent again to the next destination */
	BROKEN_PCONN_MS = 10000, /* detect_broken_pconn */
	MAX_INTERIM = 16, /* 1xx answers before the final one */
	MIN_GAP_BYTES = 65536,
	READS_A_TURN = 16, /* of one origin, before others have their turn */
};

/* The request's body on its way to the origin. */
struct upload {
	char *bytes; /* UPLOAD_BYTES; NULL: there is no body, or it is done */
	bool is_chunked, is_started, is_end_sent, is_done;
	bool wants_crlf; /* behind it; then nothing else goes over the connection */
	uint64_t nbytes; /* taken from the client so far */
	bool is_kept;     /* and all of them lie in kept, to be sent again */
	struct buf kept;
	size_t kept_sent; /* of these, to the destination in use */
	char chunk_head[24];
};

/* One worker's. */
struct fetch {
	struct list node; /* worker->fetches */
	struct fetch_order order;
	struct loop_task wake_task; /* tells the owner */
	struct loop_task run_task;
	struct timer timer;
	enum fetch_state state;
	enum fetch_outcome outcome;
	struct fetch_failure failure;
	struct fetch_report report;
	struct object *object;
	struct object_reader first; /* keeps the body's beginning for the owner, who reads later
	                               than the store does */
	struct origin_conn *conn;
	struct origin_conn *rival; /* connects to the next address meanwhile (RFC 8305 §5) */
	int64_t connect_until_ms;  /* of conn */
	struct buf input; /* an unfinished answer's head */
	struct upload upload;
	struct resolver_query query;
	int64_t resolving_since_us; /* monotonic */
	bool is_resolving, is_running, is_producing, is_broken_upload, is_behind_interim;
	bool has_more; /* addresses that it has not got yet */
	bool is_paced; /* by its readers: the timer is for them */
	size_t candidate; /* the one in use, from 1 */
	struct peer_state *entered;  /* where it counts as a request: peer_leave is due */
	struct peer_ticket *ticket;  /* waits to enter */
	unsigned naddrs, addr;
	unsigned ninterim;
	unsigned ntries;   /* destinations that were tried: forward_max_tries */
	unsigned nretries; /* of this one: connect_retries */
	int64_t deadline_ms; /* forward_timeout: nothing is waited for beyond it but an answer */
	/* By tcp_outgoing_address, for the candidate in use: in the configuration; NULL: any. */
	const struct addr *local_v4, *local_v6;
	int tos; /* by tcp_outgoing_tos; 0: the system's */
	/* the answer's body */
	struct h1_parser parser;
	struct h1_chunks chunks;
	struct buf trailers;
	int64_t body_patience_ms; /* between its bytes */
	uint64_t body_left;
	enum http_body body;
	bool keeps_conn;
	struct fetch_storing storing;
	/* From here on nothing is zeroed for a new one. */
	struct buf head;                 /* the request's; keeps its memory */
	struct peer_selection selection; /* until the answer's head is there */
	struct http_response response; /* valid while its bytes are: within one call */
};

static inline const struct config *fetch_config(const struct fetch *fetch)
{
	return snapshot_config(fetch->order.snapshot);
}

static inline struct loop *fetch_loop(const struct fetch *fetch)
{
	return fetch->order.worker->loop;
}

static inline const struct http_request *fetch_request(const struct fetch *fetch)
{
	return &fetch->order.exchange->request;
}

/* Bytes came from, or went to, where the request was sent. */
void fetch_count_in(struct fetch *fetch, size_t n);
void fetch_count_out(struct fetch *fetch, size_t n);

static inline const struct peer_candidate *fetch_candidate(const struct fetch *fetch)
{
	return &fetch->selection.at[fetch->candidate - 1];
}

static inline void fetch_set_deadline(struct fetch *fetch, int64_t wait_ms)
{
	timer_set(fetch_loop(fetch), &fetch->timer, loop_now_ms(fetch_loop(fetch)) + wait_ms);
}

/* How long to wait for a destination, where forward_timeout may end sooner. */
static inline int64_t fetch_forward_patience(const struct fetch *fetch, int64_t wait_ms)
{
	int64_t left_ms = fetch->deadline_ms - loop_now_ms(fetch_loop(fetch));

	return left_ms < wait_ms ? left_ms : wait_ms;
}

/* ---- fetch.c */
/* Something that the fetch waited for happened: a stream's wake and an object's. */
void fetch_stream_woke(void *owner);
void fetch_tell_owner(struct fetch *fetch, enum fetch_outcome outcome);
/* The producing side ends; the struct goes when its transaction lets go of it too. */
enum fetch_state fetch_finish(struct fetch *fetch);
/* What stands in fetch->failure is the answer. */
enum fetch_state fetch_fail(struct fetch *fetch);
enum fetch_state fetch_fail_with(struct fetch *fetch, int status, enum error_name error,
                                 int number);

/* What is stored takes no part any more. */
void fetch_drop_conditions(struct fetch *fetch);

/* Whoever waits for this fetch looks at what it has brought, and goes his own way if that is
 * nothing for him. */
void fetch_end_lead(struct fetch *fetch);
/* The answer is made of what the origin sends alone. */
void fetch_drop_fill(struct fetch *fetch);

/* ---- fetch_connect.c */
enum fetch_state fetch_run_select(struct fetch *fetch);
enum fetch_state fetch_run_queue(struct fetch *fetch);
enum fetch_state fetch_run_resolve(struct fetch *fetch);
/* It counts as a request of the peer in use no more, nor does it wait to. */
void fetch_leave_peer(struct fetch *fetch);
/* Too many requests wait for the peer already, or this one has waited for too long. */
enum fetch_state fetch_turned_away(struct fetch *fetch);
enum fetch_state fetch_run_connect(struct fetch *fetch);
/* The time for a connect is over, or it is time for another one beside it. */
enum fetch_state fetch_connect_is_slow(struct fetch *fetch);
/* Its time is over, or that of the whole fetch. */
enum fetch_state fetch_connect_timed_out(struct fetch *fetch);
enum fetch_state fetch_connect_failed(struct fetch *fetch, int error);
/* The connection is ready for the request. */
enum fetch_state fetch_begin_send(struct fetch *fetch);

/* ---- fetch_retry.c */
/* What failed so far stands in fetch->failure: the next destination, or that is the answer. */
enum fetch_state fetch_try_next(struct fetch *fetch);
/* The request was sent, and there will be no answer; it says why. */
void fetch_note_unanswered(struct fetch *fetch, const char *why);
/* The request was sent: may it be sent to the next destination? Counts as a retry there if so. */
bool fetch_take_retry(struct fetch *fetch);
/* The connection broke before any byte of an answer. */
enum fetch_state fetch_lost(struct fetch *fetch, struct fetch_failure failure);
bool fetch_may_resend(const struct fetch *fetch);
/* Is there a candidate behind the present one? */
bool fetch_has_candidate(struct fetch *fetch);
/* fetch_take_retry said yes: what there is of an answer is not used, and the next destination is
 * asked. why: it counts as no answer; NULL: it does not. */
enum fetch_state fetch_discard_answer(struct fetch *fetch, struct fetch_failure failure,
				      const char *why);

/* ---- fetch_tls.c */
enum fetch_state fetch_run_handshake(struct fetch *fetch);
/* If fetch->failure is TLS's: says so, and why. With TLS 1.3 a server refuses our certificate only
 * when the handshake is over. */
void fetch_note_tls_failure(struct fetch *fetch);
/* The present destination speaks TLS. */
bool fetch_is_tls(const struct fetch *fetch);

/* ---- fetch_upload.c */
enum fetch_state fetch_run_send(struct fetch *fetch);
bool fetch_has_upload(const struct fetch *fetch);
/* Moves the request's body on. False: it broke (the client's fault or the origin's). */
bool fetch_pump_upload(struct fetch *fetch);
void fetch_end_upload(struct fetch *fetch);
/* Will its body be kept, as far as is known before it comes? */
bool fetch_keeps_upload(const struct fetch *fetch);
/* The next destination gets it from its beginning. */
void fetch_rewind_upload(struct fetch *fetch);
/* There is an answer. */
void fetch_forget_upload(struct fetch *fetch);
/* request_body_max_size, where the client did not say the length first. */
bool fetch_is_too_large(const struct fetch *fetch);

/* ---- fetch_answer.c */
enum fetch_state fetch_run_head(struct fetch *fetch);
enum fetch_state fetch_run_body(struct fetch *fetch);
/* Cut short: visible to readers, never stored. */
enum fetch_state fetch_body_broken(struct fetch *fetch, int error);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* One client connection over HTTP/1. Bytes are read into the loop's shared buffer and parsed there;
 * only what an unfinished head or a pipelined request leaves is kept in `input`, so an idle
 * connection holds no buffer. A handler does all it can without waiting and names the next state;
 * naming its own means "wait". Completions come from the loop, so session_run is not re-entered. */
#include "proxy/session_h1.h"

#include <errno.h>

#include "cache/object.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/http/h1.h"
#include "lib/net/stream.h"
#include "proxy/exchange.h"
#include "proxy/listener.h"
#include "proxy/snapshot.h"
#include "proxy/transaction.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

enum session_state {
	SESSION_READ_HEAD,
	SESSION_AWAIT_REPLY,
	SESSION_WRITE_REPLY,
	SESSION_DRAIN,
	SESSION_LINGER,
	SESSION_CLOSED,
};

/* What bounds the present wait; the table of names is in set_deadline. */
enum deadline {
	DEADLINE_NONE,
	DEADLINE_FIRST_BYTE,
	DEADLINE_IDLE,
	DEADLINE_HEAD,
	DEADLINE_REPLY,
	DEADLINE_WRITE,
	DEADLINE_DRAIN,
	DEADLINE_LINGER,
};

enum {
	INPUT_MAX_BYTES = 1 << 20, /* of an unfinished head or of pipelined requests (request_header_max_size
				      bounds a head before this does) */
	DRAIN_MAX_BYTES = 262144,  /* of a body that nobody wanted, read to keep the connection */
	LINGER_MAX_BYTES = 1048576,
	LINGER_MS = 2000,
	DRAIN_MS = 5000,
	WRITE_MAX_BYTES = 262144,  /* of a body in one write */
	BODY_IOV = 8,
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
	struct addr client;
	struct h1_parser parser;
	struct h1_chunks chunks;   /* of the request's body */
	uint64_t body_left;        /* of a request body with a length */
	uint64_t discarded;
	uint64_t body_in_write;    /* bytes of the reader in the write under way */
	uint32_t nrequests;
	uint8_t state, deadline; /* enum session_state, enum deadline */
	bool is_keep_alive, is_head_sent, is_end_sent, is_continue_due, is_body_broken;
	bool is_running, is_stopping, is_lingering;
	char chunk_head[24];
};

static void session_run(struct session *session);
static void end_transaction(struct session *session);

/* ---- the exchange that a transaction sees */

static size_t take_input(struct session *session, void *into, size_t size)
{
	size_t n = session->input.len < size ? session->input.len : size;

	memcpy(into, session->input.at, n);
	buf_consume(&session->input, n);
	if (session->input.len == 0)
		buf_fini(&session->input);
	return n;
}

/* Raw body bytes: what was read too far with the head first. */
static ssize_t read_raw(struct session *session, void *into, size_t size)
{
	ssize_t n;

	if (session->input.len > 0)
		return (ssize_t)take_input(session, into, size);
	n = stream_read(&session->stream, into, size);
	if (n == 0)
		return -ECONNRESET; /* the body is not at its end */
	if (n > 0 && session->exchange)
		session->exchange->request_bytes += (uint64_t)n;
	return n;
}

/* Decodes bytes[0..len) in place; what lies behind the body's end goes back to input. */
static ssize_t decode_body(struct session *session, char *bytes, size_t len)
{
	size_t at = 0, out = 0;

	while (at < len) {
		struct str data;
		size_t used;
		enum h1_verdict verdict =
			h1_decode_chunks(&session->chunks, bytes + at, len - at, &used, &data);

		if (verdict == H1_ERROR)
			return -EPROTO;
		if (data.len > 0)
			memmove(bytes + out, data.at, data.len);
		out += data.len;
		at += used;
		if (verdict == H1_DONE) {
			session->exchange->is_body_read = true;
			if (at < len && !buf_add(&session->input, bytes + at, len - at))
				return -EPROTO;
			return (ssize_t)out;
		}
		if (used == 0)
			break;
	}
	return out > 0 ? (ssize_t)out : STREAM_WAIT;
}

static ssize_t read_chunked(struct session *session, void *into, size_t size)
{
	for (;;) {
		ssize_t n = read_raw(session, into, size);

		if (n <= 0)
			return n;
		n = decode_body(session, into, (size_t)n);
		if (n != STREAM_WAIT)
			return n; /* 0: the end came with no data before it */
	}
}

static ssize_t read_counted(struct session *session, void *into, size_t size)
{
	ssize_t n;

	if (size > session->body_left)
		size = (size_t)session->body_left;
	n = read_raw(session, into, size);
	if (n > 0)
		session->body_left -= (uint64_t)n;
	if (session->body_left == 0)
		session->exchange->is_body_read = true;
	return n;
}

static ssize_t read_body(struct exchange *exchange, void *into, size_t size)
{
	struct session *session = exchange->session;
	ssize_t n;

	if (exchange->is_body_read)
		return 0;
	if (session->is_body_broken)
		return -EPROTO;
	n = exchange->request.body == HTTP_BODY_CHUNKED ? read_chunked(session, into, size)
							: read_counted(session, into, size);
	if (n < 0 && n != STREAM_WAIT)
		session->is_body_broken = true;
	return n;
}

static void send_continue(struct exchange *exchange)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct session *session = exchange->session;
	struct iovec iov = {(void *)text, sizeof(text) - 1};

	if (!session->is_continue_due || session->is_head_sent || session->input.len > 0)
		return;
	session->is_continue_due = false;
	stream_writev(&session->stream, &iov, 1); /* the rest, if any, is collected by write_reply */
}

static void reply_ready(struct exchange *exchange)
{
	session_run(exchange->session);
}

static const struct exchange_ops exchange_ops = {
	.read_body = read_body,
	.reply_ready = reply_ready,
	.send_continue = send_continue,
};

/* ---- READ_HEAD */

/* The newest configuration, unless this connection's port is gone from it. */
static void renew_snapshot(struct session *session)
{
	struct snapshot *now = worker_snapshot(session->worker);
	const struct port *port;

	if (now == session->snapshot)
		return;
	port = listener_port(session->listener, now);
	if (!port)
		return;
	snapshot_unref(session->snapshot);
	session->snapshot = snapshot_ref(now);
	session->port = port;
}

static void begin_body(struct session *session, struct exchange *exchange)
{
	const struct http_request *request = &exchange->request;

	session->chunks = (struct h1_chunks){0};
	session->body_left = request->body == HTTP_BODY_LENGTH ? request->content_length : 0;
	exchange->is_body_read = request->body != HTTP_BODY_CHUNKED && session->body_left == 0;
	session->is_continue_due = request->expect_continue && !exchange->is_body_read;
	session->is_body_broken = false;
}

/* The head is whole: len bytes lie at bytes, the first head.len of them are the head's. */
static enum session_state begin_transaction(struct session *session, const char *bytes, size_t len)
{
	struct exchange *exchange = session->exchange;
	size_t head_len = exchange->request.head.len;
	bool is_input = session->input.len > 0;

	transaction_keep_head(session->transaction);
	exchange->request_head_bytes = head_len;
	exchange->request_bytes = len;
	if (is_input)
		buf_consume(&session->input, head_len);
	else if (len > head_len)
		check(buf_add(&session->input, bytes + head_len, len - head_len));
	if (session->input.len == 0)
		buf_fini(&session->input);
	session->is_keep_alive = exchange->request.keep_alive && !session->is_stopping &&
				 snapshot_config(session->snapshot)->client_persistent_connections;
	exchange->may_keep_alive = session->is_keep_alive;
	begin_body(session, exchange);
	session->is_head_sent = session->is_end_sent = false;
	session->nrequests++;
	transaction_begin(session->transaction);
	return SESSION_AWAIT_REPLY;
}

/* Answers what cannot be served; nothing behind it on this connection means anything. */
static enum session_state refuse(struct session *session, const struct refusal *refusal)
{
	session->is_keep_alive = false;
	session->is_body_broken = true;
	session->exchange->is_body_read = true;
	session->is_head_sent = session->is_end_sent = false;
	transaction_begin_refused(session->transaction, refusal);
	buf_fini(&session->input);
	return SESSION_AWAIT_REPLY;
}

static enum session_state refuse_head(struct session *session, size_t len)
{
	const struct h1_error_info *info = h1_error_info(session->parser.error);
	bool is_too_large = info->status == 431 || info->status == 414;

	session->exchange->request_bytes = len;
	return refuse(session, &(struct refusal){
				       .status = info->status,
				       .error = info->squid_error,
				       .why = info->text,
				       .url = is_too_large ? "error:request-too-large"
							   : "error:invalid-request",
			       });
}

static void prepare_transaction(struct session *session)
{
	if (session->transaction)
		return;
	renew_snapshot(session);
	h1_parser_reset(&session->parser);
	session->transaction = transaction_create(session->worker, session->snapshot);
	session->exchange = transaction_exchange(session->transaction);
	session->exchange->ops = &exchange_ops;
	session->exchange->session = session;
	session->exchange->port = session->port;
	session->exchange->client = session->client;
	listener_local(session->listener, stream_fd(&session->stream), &session->exchange->local);
}

static enum session_state parse_head(struct session *session, const char *bytes, size_t len)
{
	const struct h1_limits limits = snapshot_request_limits(session->snapshot, session->port);

	prepare_transaction(session);
	switch (h1_parse_request(&session->parser, bytes, len, &limits,
				 &session->exchange->request)) {
	case H1_DONE:
		return begin_transaction(session, bytes, len);
	case H1_ERROR:
		return refuse_head(session, len);
	case H1_MORE:
		break;
	}
	return SESSION_READ_HEAD;
}

/* The peer closed, or the socket failed, while a head was awaited. */
static enum session_state end_of_input(struct session *session)
{
	if (session->transaction)
		transaction_end_without_request(session->transaction, session->input.len);
	else if (session->nrequests == 0)
		worker_log_empty_connection(session->worker, session->snapshot, &session->client,
					    session->port);
	session->transaction = NULL;
	session->exchange = NULL;
	return SESSION_CLOSED;
}

/* Reads once: into the shared buffer when nothing is kept, else behind what is. */
static ssize_t read_some(struct session *session, char **at, size_t *len)
{
	size_t size;
	ssize_t n;

	if (session->input.len == 0) {
		*at = loop_read_buffer(session->worker->loop, &size);
		*len = 0;
	} else {
		size = 16384;
		if (!buf_reserve(&session->input, size))
			return -EMSGSIZE;
		*at = session->input.at;
		*len = session->input.len;
	}
	n = stream_read(&session->stream, *at + *len, size);
	if (n > 0) {
		if (session->input.len > 0)
			session->input.len += (size_t)n;
		*len += (size_t)n;
	}
	return n;
}

static enum session_state run_read_head(struct session *session)
{
	char *at = session->input.at;
	size_t len = session->input.len;
	enum session_state next = SESSION_READ_HEAD;
	bool is_new = len == 0 || !session->transaction;

	if (len > 0 && is_new)
		next = parse_head(session, at, len); /* pipelined */
	while (next == SESSION_READ_HEAD) {
		ssize_t n = read_some(session, &at, &len);

		if (n == STREAM_WAIT)
			break;
		if (n <= 0)
			return end_of_input(session);
		next = parse_head(session, at, len);
		if (next == SESSION_READ_HEAD && session->input.len == 0)
			check(buf_add(&session->input, at, len));
	}
	return next;
}

/* ---- AWAIT_REPLY */

/* Squid, half_closed_clients off: a client that sends no more has gone, unless it still owes a body. */
static bool client_is_gone(const struct session *session)
{
	return stream_has_hung_up(&session->stream) ||
	       (stream_has_ended(&session->stream) && session->exchange->is_body_read &&
		session->input.len == 0);
}

static enum session_state run_await_reply(struct session *session)
{
	if (transaction_has_reply(session->transaction))
		return SESSION_WRITE_REPLY;
	if (client_is_gone(session))
		return SESSION_CLOSED;
	stream_watch(&session->stream);
	transaction_body_wake(session->transaction);
	return transaction_has_reply(session->transaction) ? SESSION_WRITE_REPLY
							   : SESSION_AWAIT_REPLY;
}

/* ---- WRITE_REPLY */

static void end_transaction(struct session *session)
{
	struct transaction *transaction = session->transaction;

	session->transaction = NULL;
	session->exchange = NULL;
	session->deadline = DEADLINE_NONE;
	transaction_end(transaction, session->is_end_sent);
}

/* Keep the connection, read the rest of the request's body first, or end it. */
static enum session_state after_reply(struct session *session)
{
	struct exchange *exchange = session->exchange;
	bool keep = session->is_keep_alive && !exchange->reply.close_after &&
		    !session->is_stopping && !session->is_body_broken;
	bool is_read = exchange->is_body_read && !session->is_body_broken;

	session->discarded = 0;
	if (keep && !is_read && !session->is_continue_due)
		return SESSION_DRAIN;
	end_transaction(session);
	if (keep && is_read)
		return SESSION_READ_HEAD;
	/* A plain close after unread bytes would reset the connection under the reply. */
	return is_read && session->input.len == 0 ? SESSION_CLOSED : SESSION_LINGER;
}

/* Puts chunked framing around the body pieces iov[1..n]; iov[0] becomes the chunk's head. The last
 * chunk goes along when the body is known to end there. Returns the number of pieces. */
static int frame_chunk(struct session *session, struct iovec *iov, int n, uint64_t bytes, bool is_last)
{
	static const char end[] = "\r\n", last[] = "\r\n0\r\n\r\n", only_last[] = "0\r\n\r\n";

	if (bytes == 0) {
		iov[0] = (struct iovec){(void *)only_last, is_last ? sizeof(only_last) - 1 : 0};
		session->is_end_sent = is_last;
		return is_last ? 1 : 0;
	}
	iov[0].iov_base = session->chunk_head;
	iov[0].iov_len = h1_encode_chunk_head(bytes, session->chunk_head);
	iov[n + 1].iov_base = (void *)(is_last ? last : end);
	iov[n + 1].iov_len = is_last ? sizeof(last) - 1 : sizeof(end) - 1;
	session->is_end_sent = is_last;
	return n + 2;
}

/* Is this piece of the body its last one? */
static bool ends_body(const struct reply *reply, uint64_t bytes)
{
	const struct object *object = reply->reader.object;

	if (reply->body_left != UINT64_MAX)
		return reply->body_left == bytes;
	return object_state(object) == OBJECT_COMPLETE &&
	       reply->reader.offset + bytes ==
		       atomic_load_explicit(&object->length_, memory_order_acquire);
}

/* Adds what the body has now. Returns the number of pieces, or -1 when it was cut short. */
static int gather_body(struct session *session, struct reply *reply, struct iovec *iov, bool *wait)
{
	int n = 0, at = reply->is_chunked ? 1 : 0;
	uint64_t max = reply->body_left < WRITE_MAX_BYTES ? reply->body_left : WRITE_MAX_BYTES;
	uint64_t bytes = 0;
	enum object_read got = object_read(&reply->reader, iov + at, BODY_IOV, max, &n);
	bool is_last;

	if (got == OBJECT_READ_ABORTED)
		return -1;
	if (got != OBJECT_READ_DATA)
		n = 0;
	*wait = got == OBJECT_READ_WAIT;
	for (int i = 0; i < n; i++)
		bytes += iov[at + i].iov_len;
	is_last = got == OBJECT_READ_END || (bytes > 0 && ends_body(reply, bytes));
	session->body_in_write = bytes;
	if (reply->is_chunked)
		return frame_chunk(session, iov, n, bytes, is_last);
	session->is_end_sent = is_last;
	return n;
}

static void wrote(struct session *session, struct reply *reply, ssize_t n)
{
	reply->sent_bytes += (uint64_t)n;
	session->deadline = DEADLINE_NONE; /* progress: the wait begins anew */
	if (session->body_in_write > 0) {
		object_reader_advance(&reply->reader, session->body_in_write);
		if (reply->body_left != UINT64_MAX)
			reply->body_left -= session->body_in_write;
		session->body_in_write = 0;
	}
}

static enum session_state reply_failed(struct session *session)
{
	stream_reset(&session->stream);
	return SESSION_CLOSED;
}

/* One write of what there is. True: go on; false: *next says what follows. */
static bool write_once(struct session *session, struct reply *reply, enum session_state *next)
{
	struct iovec iov[REPLY_MAX_PIECES + BODY_IOV + 2];
	int niov = 0, nbody = 0;
	bool wait = false;
	ssize_t n;

	if (!session->is_head_sent)
		for (; niov < reply->nhead; niov++)
			iov[niov] = reply->head[niov];
	if (reply->has_body && reply->body_left > 0)
		nbody = gather_body(session, reply, iov + niov, &wait);
	else
		session->is_end_sent = true;
	if (nbody < 0) {
		*next = reply_failed(session);
		return false;
	}
	session->is_head_sent = true;
	niov += nbody;
	if (niov == 0) {
		*next = session->is_end_sent ? after_reply(session) : SESSION_WRITE_REPLY;
		return false;
	}
	n = stream_writev(&session->stream, iov, niov);
	if (n == STREAM_WAIT) {
		*next = SESSION_WRITE_REPLY;
		return false;
	}
	if (n < 0) {
		*next = SESSION_CLOSED;
		return false;
	}
	wrote(session, reply, n);
	if (session->is_end_sent) {
		*next = after_reply(session);
		return false;
	}
	*next = SESSION_WRITE_REPLY;
	return !wait;
}

static enum session_state run_write_reply(struct session *session)
{
	struct reply *reply = &session->exchange->reply;
	enum session_state next = SESSION_WRITE_REPLY;

	if (reply->reset)
		return reply_failed(session);
	if (stream_is_writing(&session->stream)) {
		ssize_t n = stream_writev(&session->stream, NULL, 0);

		if (n == STREAM_WAIT)
			return SESSION_WRITE_REPLY;
		if (n < 0)
			return SESSION_CLOSED;
		if (!session->is_head_sent)
			n = 0; /* that was the 100 Continue */
		wrote(session, reply, n);
		if (session->is_end_sent)
			return after_reply(session);
	}
	while (write_once(session, reply, &next))
		continue;
	return next;
}

/* ---- DRAIN: the rest of a body that was answered before its end */

static enum session_state run_drain(struct session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);
	bool failed = false;

	while (!session->exchange->is_body_read) {
		ssize_t n = read_body(session->exchange, at, size);

		if (n == STREAM_WAIT)
			return SESSION_DRAIN;
		session->discarded += n > 0 ? (uint64_t)n : 0;
		failed = n < 0 || session->discarded > DRAIN_MAX_BYTES;
		if (failed)
			break;
	}
	end_transaction(session);
	return failed ? SESSION_LINGER : SESSION_READ_HEAD;
}

/* ---- LINGER: close so that the reply arrives, RFC 9112 §9.6 */

static enum session_state run_linger(struct session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);

	if (!session->is_lingering)
		stream_shutdown_write(&session->stream);
	session->is_lingering = true;
	buf_fini(&session->input);
	for (;;) {
		ssize_t n = stream_read(&session->stream, at, size);

		if (n == STREAM_WAIT)
			return SESSION_LINGER;
		if (n <= 0)
			return SESSION_CLOSED;
		session->discarded += (uint64_t)n;
		if (session->discarded > LINGER_MAX_BYTES)
			return SESSION_CLOSED;
	}
}

/* ---- the table, the deadlines, the ends */

static const struct step {
	const char *name;
	enum session_state (*run)(struct session *session);
} steps[] = {
	[SESSION_READ_HEAD] = {"read-head", run_read_head},
	[SESSION_AWAIT_REPLY] = {"await-reply", run_await_reply},
	[SESSION_WRITE_REPLY] = {"write-reply", run_write_reply},
	[SESSION_DRAIN] = {"drain", run_drain},
	[SESSION_LINGER] = {"linger", run_linger},
};

static enum deadline which_deadline(const struct session *session)
{
	static const uint8_t of_state[] = {
		[SESSION_AWAIT_REPLY] = DEADLINE_REPLY,
		[SESSION_WRITE_REPLY] = DEADLINE_WRITE,
		[SESSION_DRAIN] = DEADLINE_DRAIN,
		[SESSION_LINGER] = DEADLINE_LINGER,
	};

	if (session->state != SESSION_READ_HEAD)
		return of_state[session->state];
	if (session->transaction)
		return DEADLINE_HEAD;
	return session->nrequests == 0 ? DEADLINE_FIRST_BYTE : DEADLINE_IDLE;
}

/* The wait that begins now, if it is another than the one that the timer bounds already. */
static void set_deadline(struct session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	const int64_t wait_ms[] = {
		[DEADLINE_FIRST_BYTE] = config->request_start_timeout_ms,
		[DEADLINE_IDLE] = config->client_idle_pconn_timeout_ms,
		[DEADLINE_HEAD] = config->request_timeout_ms,
		[DEADLINE_REPLY] = config->client_lifetime_ms,
		[DEADLINE_WRITE] = config->write_timeout_ms,
		[DEADLINE_DRAIN] = DRAIN_MS,
		[DEADLINE_LINGER] = LINGER_MS,
	};
	enum deadline deadline = which_deadline(session);
	struct loop *loop = session->worker->loop;

	if (deadline == session->deadline)
		return;
	session->deadline = (uint8_t)deadline;
	timer_set(loop, &session->timer, loop_now_ms(loop) + wait_ms[deadline]);
}

/* The only end of a session. */
static void session_destroy(struct session *session)
{
	timer_cancel(&session->timer);
	stream_close(&session->stream);
	if (session->transaction)
		end_transaction(session);
	buf_fini(&session->input);
	list_remove(&session->node);
	listener_unref(session->listener);
	snapshot_unref(session->snapshot);
	session->worker->nsessions--;
	worker_session_ended(session->worker);
	mem_free(session);
}

static void session_run(struct session *session)
{
	check(!session->is_running);
	session->is_running = true;
	for (;;) {
		enum session_state next = steps[session->state].run(session);

		if (next == session->state)
			break;
		if (next == SESSION_CLOSED) {
			session_destroy(session);
			return;
		}
		session->state = (uint8_t)next;
		if (next == SESSION_READ_HEAD && session->is_stopping) {
			session_destroy(session);
			return;
		}
	}
	session->is_running = false;
	set_deadline(session);
}

static void stream_woke(void *owner)
{
	session_run(owner);
}

static void timer_fired(struct timer *timer)
{
	struct session *session = CONTAINER(timer, struct session, timer);
	static const struct refusal late = {
		.status = 408,
		.error = "ERR_READ_TIMEOUT",
		.why = "the request's head took too long",
		.url = "error:transaction-end-before-headers",
	};

	if (session->deadline != DEADLINE_HEAD) {
		session_destroy(session);
		return;
	}
	session->state = (uint8_t)refuse(session, &late);
	session_run(session);
}

void session_h1_start(struct worker *worker, struct listener *listener, int fd,
		      const struct addr *client)
{
	struct session *session = mem_zalloc(sizeof(*session));

	session->worker = worker;
	session->listener = listener_ref(listener);
	session->client = *client;
	session->snapshot = snapshot_ref(worker_snapshot(worker));
	session->port = listener_port(listener, session->snapshot);
	buf_init(&session->input, INPUT_MAX_BYTES);
	timer_init(&session->timer, timer_fired);
	list_push_back(&worker->sessions, &session->node);
	worker->nsessions++;
	stream_open_tcp(&session->stream, worker->loop, fd, stream_woke, session);
	session_run(session);
}

void session_h1_stop_all(struct worker *worker, bool now)
{
	LIST_EACH_SAFE(node, &worker->sessions) {
		struct session *session = CONTAINER(node, struct session, node);

		session->is_stopping = true;
		if (now || !session->transaction)
			session_destroy(session);
	}
}

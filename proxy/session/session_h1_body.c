/* SPDX-License-Identifier: BSD-2-Clause */
/* The exchange that a transaction sees: the request's body, decoded, as the transaction asks for
 * it. */
#include <errno.h>

#include "lib/net/socket.h"
#include "lib/net/stream_tls.h"
#include "proxy/session/session_h1_internal.h"
#include "proxy/tunnel/tunnel.h"

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

/* Whatever comes, up to the client's end. */
static ssize_t read_tunnel(struct session *session, void *into, size_t size)
{
	ssize_t n;

	if (session->input.len > 0)
		return (ssize_t)take_input(session, into, size);
	n = stream_read(&session->stream, into, size);
	if (n == STREAM_WAIT)
		return n;
	session->exchange->is_body_read =
		n <= 0 && tunnel_has_ended(&session->stream, n, session->has_shut_down);
	session->exchange->request_bytes += n > 0 ? (uint64_t)n : 0;
	return session->exchange->is_body_read ? 0 : n;
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

		if (verdict == H1_ERROR) {
			session->exchange->body_error = session->chunks.error;
			return -EPROTO;
		}
		if (data.len > 0)
			memmove(bytes + out, data.at, data.len);
		out += data.len;
		at += used;
		if (verdict == H1_DONE) {
			session->exchange->is_body_read = true;
			/* Before what input still holds: the next request begins here. */
			if (!buf_prepend(&session->input, (struct str){bytes + at, len - at}))
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

/* The body is waited for while who takes it finds nothing. */
static void note_wait(struct session *session, bool is_waiting)
{
	int64_t now_ms = loop_now_ms(session->worker->loop);

	if (is_waiting)
		minimum_rate_wait(&session->exchange->giving, now_ms);
	else
		minimum_rate_rest(&session->exchange->giving, now_ms);
}

ssize_t session_read_body(struct exchange *exchange, void *into, size_t size)
{
	struct session *session = exchange->session;
	ssize_t n;

	if (exchange->is_body_read)
		return 0;
	if (session->is_body_broken)
		return -EPROTO;
	if (exchange->reply.is_tunnel)
		return read_tunnel(session, into, size);
	n = exchange->request.body == HTTP_BODY_CHUNKED ? read_chunked(session, into, size)
	                                                : read_counted(session, into, size);
	if (n < 0 && n != STREAM_WAIT)
		session->is_body_broken = true;
	note_wait(session, n == STREAM_WAIT);
	return n;
}

/* Once the reply is out, the rest of the body is the session's to drain: an upload that still went
 * on would miss what was drained. */
static ssize_t read_body_for_transaction(struct exchange *exchange, void *into, size_t size)
{
	const struct session *session = exchange->session;

	return session->state == SESSION_DRAIN ? -ECANCELED
	                                       : session_read_body(exchange, into, size);
}

static void send_continue(struct exchange *exchange)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct session *session = exchange->session;
	struct iovec iov = {(void *)text, sizeof(text) - 1};

	if (!session->is_continue_due || session->is_head_sent || session->input.len > 0)
		return;
	session->is_continue_due = false;
	stream_writev(&session->stream, &iov,
	              1); /* the rest, if any, is collected by write_reply */
}

/* RFC 9110 §15.2: only HTTP/1.1 knows them. Not while the client waits for a 100, nor beside
 * another write. */
static void send_interim(struct exchange *exchange, struct str head)
{
	struct session *session = exchange->session;
	struct iovec iov;

	if (exchange->request.minor == 0 || session->is_continue_due || session->is_head_sent ||
	    stream_is_writing(&session->stream))
		return;
	head = transaction_keep(session->transaction, head);
	iov = (struct iovec){(void *)(uintptr_t)head.at, head.len};
	stream_writev(&session->stream, &iov, 1); /* as above */
}

static void reply_ready(struct exchange *exchange)
{
	session_run(exchange->session);
}

static void set_tos(struct exchange *exchange, int tos)
{
	const struct session *session = exchange->session;

	socket_set_tos(stream_fd(&session->stream), tos);
}

static bool tls_facts(struct exchange *exchange, struct tls_facts *out)
{
	const struct session *session = exchange->session;

	return stream_tls_facts(&session->stream, out);
}

const struct exchange_ops session_exchange_ops = {
	.read_body = read_body_for_transaction,
	.reply_ready = reply_ready,
	.send_continue = send_continue,
	.send_interim = send_interim,
	.set_tos = set_tos,
	.tls_facts = tls_facts,
};

void session_begin_body(struct session *session, struct exchange *exchange)
{
	const struct http_request *request = &exchange->request;

	session->chunks = (struct h1_chunks){0};
	session->body_left = request->body == HTTP_BODY_LENGTH ? request->content_length : 0;
	exchange->is_body_read = request->body != HTTP_BODY_CHUNKED && session->body_left == 0;
	exchange->body_error = H1_OK;
	session->is_continue_due = request->expect_continue && !exchange->is_body_read;
	session->is_body_broken = false;
}

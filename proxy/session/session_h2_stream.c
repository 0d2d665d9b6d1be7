/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream as an exchange: its request is parsed as one of HTTP/1 when nghttp2's calls have
 * returned, and its body is given as the transaction asks for it, which is what opens the window
 * again. */
#include <errno.h>

#include "lib/base/heap.h"
#include "lib/http/h1.h"
#include "lib/net/stream_tls.h"
#include "lib/net/socket.h"
#include "proxy/session/client_table.h"
#include "proxy/session/clients.h"
#include "proxy/session/session_h2_internal.h"
#include "squid-compat/config.h"

/* All frames of a head come one behind the other: nothing else is sent meanwhile. */
static int64_t head_wait_ms(const struct h2_session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	int64_t rate_ms = config->client_minimum_rate_time_ms;
	bool is_rated = config->client_minimum_rate_bytes > 0 && rate_ms > 0;

	return is_rated && rate_ms < config->request_timeout_ms ? rate_ms
								: config->request_timeout_ms;
}

struct h2_stream *h2_stream_create(struct h2_session *session, int32_t id)
{
	struct h2_stream *stream = mem_zalloc(sizeof(*stream));

	stream->session = session;
	stream->id = id;
	stream->deadline_ms = loop_now_ms(session->worker->loop) + head_wait_ms(session);
	list_init(&stream->due);
	list_init(&stream->aboard);
	buf_init(&stream->body, H2_CONNECTION_WINDOW);
	list_push_back(&session->streams, &stream->node);
	session->nstreams++;
	session->is_resting = false;
	return stream;
}

void h2_stream_destroy(struct h2_stream *stream)
{
	list_remove(&stream->node);
	list_remove(&stream->due);
	list_remove(&stream->aboard);
	stream->session->nstreams--;
	if (stream->transaction)
		transaction_end(stream->transaction, stream->is_end_sent);
	buf_fini(&stream->head);
	buf_fini(&stream->body);
	mem_free(stream);
}

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
	if (stream->is_reset || stream->is_closed)
		return;
	stream->is_reset = true;
	nghttp2_submit_rst_stream(stream->session->h2, NGHTTP2_FLAG_NONE, stream->id, code);
	h2_stream_is_due(stream);
}

/* ---- the exchange */

static size_t take_body(struct h2_stream *stream, void *into, size_t size)
{
	struct buf *body = &stream->body;
	size_t n = body->len - stream->body_taken;

	if (n > size)
		n = size;
	memcpy(into, body->at + stream->body_taken, n);
	stream->body_taken += n;
	if (stream->body_taken == body->len) {
		buf_fini(body);
		stream->body_taken = 0;
	} else if (stream->body_taken > body->len / 2) {
		buf_consume(body, stream->body_taken);
		stream->body_taken = 0;
	}
	return n;
}

/* Nothing is there: its client is waited for. */
static ssize_t wait_for_body(struct h2_stream *stream)
{
	if (stream->is_closed || stream->is_reset)
		return -ECONNRESET;
	minimum_rate_wait(&stream->exchange->giving, loop_now_ms(stream->session->worker->loop));
	return STREAM_WAIT;
}

static ssize_t read_body(struct exchange *exchange, void *into, size_t size)
{
	struct h2_stream *stream = exchange->session;
	size_t n;

	if (exchange->is_body_read)
		return 0;
	if (stream->is_end_sent && !exchange->reply.is_tunnel)
		return -ECANCELED;
	if (stream->body.len == 0) {
		exchange->is_body_read = stream->is_ended_by_client;
		if (stream->is_ended_by_client)
			return 0;
		return wait_for_body(stream);
	}
	minimum_rate_rest(&exchange->giving, loop_now_ms(stream->session->worker->loop));
	n = take_body(stream, into, size);
	exchange->request_bytes += n;
	exchange->is_body_read = stream->is_ended_by_client && stream->body.len == 0;
	if (!stream->is_closed) {
		nghttp2_session_consume(stream->session->h2, stream->id, n);
		h2_stream_is_due(stream); /* the window may have opened */
	}
	return (ssize_t)n;
}

static void reply_ready(struct exchange *exchange)
{
	struct h2_stream *stream = exchange->session;

	stream->has_object_news = true;
	h2_stream_is_due(stream);
}

static void send_continue(struct exchange *exchange)
{
	struct h2_stream *stream = exchange->session;

	if (!stream->is_continue_due || stream->is_answered || stream->is_closed ||
	    stream->body.len > 0)
		return;
	stream->is_continue_due = false;
	h2_reply_send_interim(stream, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* Not while the client waits for a 100. */
static void send_interim(struct exchange *exchange, struct str head)
{
	struct h2_stream *stream = exchange->session;

	if (!stream->is_continue_due && !stream->is_answered && !stream->is_closed)
		h2_reply_send_interim(stream, head);
}

/* All streams share the connection: the last one to say so has it. */
static void set_tos(struct exchange *exchange, int tos)
{
	const struct h2_stream *stream = exchange->session;

	if (!stream->is_closed)
		socket_set_tos(stream_fd(&stream->session->stream), tos);
}

static bool tls_facts(struct exchange *exchange, struct tls_facts *out)
{
	const struct h2_stream *stream = exchange->session;

	return stream_tls_facts(&stream->session->stream, out);
}

static const struct exchange_ops exchange_ops = {
	.read_body = read_body,
	.reply_ready = reply_ready,
	.send_continue = send_continue,
	.send_interim = send_interim,
	.tls_facts = tls_facts,
	.set_tos = set_tos,
};

/* ---- its beginning */

static void make_transaction(struct h2_stream *stream)
{
	struct h2_session *session = stream->session;
	struct exchange *exchange;

	h2_session_renew_snapshot(session);
	stream->transaction = transaction_create(session->worker, session->snapshot);
	stream->exchange = exchange = transaction_exchange(stream->transaction);
	exchange->ops = &exchange_ops;
	exchange->session = stream;
	exchange->port = session->port;
	exchange->client = session->client;
	exchange->local = session->local;
	exchange->counts = clients_enter_once(session->worker->clients, session->snapshot,
	                                      &session->counts, &session->client);
	exchange->client_notes = &session->notes;
	exchange->client_connections = client_count_now(session->count);
	exchange->may_keep_alive = true;
	exchange->is_http2 = true;
	exchange->is_extended_connect = stream->is_extended_connect;
	exchange->body_error = H1_OK;
	session->nrequests++;
	session->wait = H2_WAIT_NONE; /* idleness is counted from here on */
}

/* RFC 9113 §8.1: DATA frames and END_STREAM frame the body; a length is checked against them. */
static void begin_body(struct h2_stream *stream)
{
	struct http_request *request = &stream->exchange->request;
	bool is_over = stream->is_ended_by_client && stream->body.len == 0;

	if (stream->is_extended_connect) { /* what follows is none */
		request->body = HTTP_BODY_NONE;
		stream->exchange->is_body_read = true;
		return;
	}
	if (request->body == HTTP_BODY_NONE && !is_over)
		request->body = HTTP_BODY_CHUNKED;
	stream->exchange->is_body_read =
		is_over || (request->body == HTTP_BODY_LENGTH && request->content_length == 0);
	stream->is_continue_due = request->expect_continue && !stream->exchange->is_body_read;
}

static void refuse_for(struct h2_stream *stream, struct refusal refusal)
{
	struct h1_request_line line;
	bool has_line = h1_read_request_line(stream->head.at, stream->head.len, &line);

	refusal.line = has_line ? &line : NULL;
	line.major = 2;
	line.minor = 0;
	stream->exchange->request_bytes = stream->head.len;
	stream->exchange->is_body_read = true;
	transaction_begin_refused(stream->transaction, &refusal);
}

static void refuse(struct h2_stream *stream, enum h1_error error)
{
	const struct h1_error_info *info = h1_error_info(error);
	bool is_too_large = info->status == 431 || info->status == 414;

	refuse_for(stream, (struct refusal){
				   .status = info->status,
				   .error = info->squid_error,
				   .why = info->text,
				   .url = is_too_large ? "error:request-too-large"
						       : "error:invalid-request",
				   .keeps_url = is_too_large,
			   });
}

static struct str host_of(const struct http_head *head)
{
	struct str host = http_value(head, FIELD_HOST);
	size_t bracket = str_find_char(host, ']');

	return bracket < host.len ? host : str_first(host, str_find_char(host, ':'));
}

/* RFC 9113 §9.1.1: a client may ask here for what it believes that the certificate is for. */
static bool is_misdirected(struct h2_stream *stream)
{
	struct h2_session *session = stream->session;
	struct str host = host_of(&stream->exchange->request.head);

	if (!stream_is_tls(&session->stream) || str_eq_nocase(host, buf_str(&session->served_host)))
		return false;
	if (!stream_tls_may_serve(&session->stream, host))
		return true;
	buf_clear(&session->served_host);
	buf_add_str(&session->served_host, host);
	return false;
}

static void begin(struct h2_stream *stream)
{
	static const struct refusal misdirected = {
		.status = 421,
		.error = "ERR_CONFLICT_HOST",
		.why = "the connection's certificate is not for that host, another is",
		.url = "error:invalid-request",
	};
	struct h2_session *session = stream->session;
	struct h1_limits limits = snapshot_request_limits(session->snapshot, session->port);
	struct h1_parser parser = {0};
	struct exchange *exchange;

	make_transaction(stream);
	exchange = stream->exchange;
	exchange->began_ms = loop_now_ms(session->worker->loop);
	stream->deadline_ms =
		exchange->began_ms + snapshot_config(session->snapshot)->client_lifetime_ms;
	if (stream->is_head_too_large) {
		refuse(stream, H1_HEAD_TOO_LARGE);
	} else if (h1_parse_request(&parser, stream->head.at, stream->head.len, &limits,
	                            &exchange->request) != H1_DONE) {
		refuse(stream, parser.error == H1_OK ? H1_BAD_REQUEST_LINE : parser.error);
	} else if (is_misdirected(stream)) {
		transaction_keep_head(stream->transaction);
		refuse_for(stream, misdirected);
	} else {
		transaction_keep_head(stream->transaction);
		exchange->request_head_bytes = exchange->request_bytes = stream->head.len;
		begin_body(stream);
		transaction_begin(stream->transaction);
	}
	buf_fini(&stream->head);
}

/* ---- what is due */

/* False: it goes on. True: nothing is left to be done, or it was cut short and is reset. */
static bool has_tunnel_ended(struct h2_stream *stream)
{
	const struct reply *reply = &stream->exchange->reply;

	if (object_state(reply->reader.object) == OBJECT_ABORTED)
		h2_stream_reset(stream, NGHTTP2_CONNECT_ERROR);
	return reply->is_tunnel_over;
}

/* Both sides have said their last, but not all of the client's has gone to the origin yet. */
static bool is_draining(struct h2_stream *stream)
{
	if (!h2_stream_is_tunnel(stream) || stream->was_cut || !stream->is_ended_by_client)
		return false;
	transaction_body_wake(stream->transaction);
	return !stream->exchange->reply.is_tunnel_over;
}

static void run(struct h2_stream *stream)
{
	if (stream->is_closed && list_is_empty(&stream->aboard)) {
		if (!is_draining(stream))
			h2_stream_destroy(stream);
		return;
	}
	if (stream->is_closed || stream->is_reset)
		return;
	if (!stream->transaction && stream->head.len == 0)
		return; /* its list of fields is not whole */
	if (!stream->transaction)
		begin(stream);
	else if (stream->has_body_news && !stream->exchange->is_body_read)
		transaction_body_wake(stream->transaction);
	stream->has_body_news = false;
	if (!stream->is_answered && transaction_has_reply(stream->transaction))
		h2_reply_submit(stream);
	else if (stream->is_deferred && stream->has_object_news)
		nghttp2_session_resume_data(stream->session->h2, stream->id);
	stream->has_object_news = false;
	if (h2_stream_is_tunnel(stream) && !has_tunnel_ended(stream))
		return;
	/* RFC 9113 §8.1: answered in whole, so the rest of the request is not wanted. */
	if (stream->is_end_sent && !stream->is_ended_by_client && list_is_empty(&stream->aboard))
		h2_stream_reset(stream, NGHTTP2_NO_ERROR);
}

void h2_streams_run(struct h2_session *session)
{
	struct list *node;

	while ((node = list_pop_front(&session->due)))
		run(CONTAINER(node, struct h2_stream, due));
}

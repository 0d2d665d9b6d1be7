/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/ocsp_exchange.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/uri.h"
#include "lib/net/tls_ocsp.h"

enum {
	HEAD_MAX_BYTES = 16384,
	READ_BYTES = 4096,
	REQUEST_MAX_BYTES = 8192,
	MAX_ADDRS = 4, /* that are tried */
};

/* What a step says: another one is next, more is to come, or it is over. */
enum verdict { GO_ON, WAIT, OVER };

struct outcome {
	const char *why; /* NULL: body_ is the answer */
};

static enum verdict end_with(struct outcome *outcome, const char *why)
{
	outcome->why = why;
	return OVER;
}

/* ---- the steps */

static enum verdict run_resolve(struct ocsp_exchange *exchange, struct outcome *outcome)
{
	if (exchange->query_.naddrs == 0)
		return end_with(outcome, exchange->query_.why);
	exchange->step_ = OCSP_CONNECT;
	return GO_ON;
}

static void wake(void *owner);

static enum verdict run_connect(struct ocsp_exchange *exchange, struct outcome *outcome)
{
	const struct addr *addrs = exchange->query_.addrs;
	int error = 0;

	while (exchange->addr_ < exchange->query_.naddrs && exchange->addr_ < MAX_ADDRS) {
		if (!exchange->stream_.ops)
			error = stream_connect_tcp(&exchange->stream_, exchange->loop,
			                           &addrs[exchange->addr_], NULL, wake, exchange);
		if (error == 0)
			error = stream_connect_result(&exchange->stream_);
		if (error == STREAM_WAIT)
			return WAIT;
		if (error == 0) {
			exchange->step_ = OCSP_SEND;
			return GO_ON;
		}
		stream_close(&exchange->stream_);
		exchange->addr_++;
	}
	return end_with(outcome, strerror(-error));
}

static enum verdict run_send(struct ocsp_exchange *exchange, struct outcome *outcome)
{
	const struct iovec piece = {exchange->request_.at, exchange->request_.len};
	ssize_t n = stream_writev(&exchange->stream_, &piece, exchange->is_sending_ ? 0 : 1);

	exchange->is_sending_ = true;
	if (n == STREAM_WAIT)
		return WAIT;
	if (n < 0)
		return end_with(outcome, strerror((int)-n));
	exchange->step_ = OCSP_RECEIVE;
	return GO_ON;
}

/* ---- what comes back */

/* NULL: so far it is well. */
static const char *take_head(struct ocsp_exchange *exchange)
{
	static const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES};
	struct http_response response;
	struct buf *in = &exchange->in_;

	switch (h1_parse_response(&exchange->parser_, in->at, in->len, &limits, HTTP_POST,
	                          &response)) {
	case H1_MORE:
		return NULL;
	case H1_ERROR:
		return "no HTTP came back";
	case H1_DONE:
		break;
	}
	if (response.status != 200)
		return "the responder's status is not 200";
	if (response.content_length > TLS_OCSP_MAX_BYTES)
		return "the answer is too large";
	exchange->kind_ = response.body;
	exchange->length_ = response.content_length;
	exchange->has_head_ = true;
	buf_consume(in, response.head.len);
	return NULL;
}

/* Takes what lies in in_ to body_. *is_whole: that is all of it. */
static const char *take_chunks(struct ocsp_exchange *exchange, bool *is_whole)
{
	struct buf *in = &exchange->in_;

	for (;;) {
		size_t used = 0;
		struct str data = STR_NONE;
		enum h1_verdict verdict = h1_decode_chunks(&exchange->chunks_, in->at, in->len,
		                                           &used, &data);

		if (verdict == H1_ERROR)
			return "no HTTP came back";
		if (!buf_add_str(&exchange->body_, data))
			return "the answer is too large";
		buf_consume(in, used);
		*is_whole = verdict == H1_DONE;
		if (*is_whole || used == 0 || in->len == 0)
			return NULL;
	}
}

static const char *take_body(struct ocsp_exchange *exchange, bool has_ended, bool *is_whole)
{
	struct buf *in = &exchange->in_;

	if (exchange->kind_ == HTTP_BODY_CHUNKED)
		return take_chunks(exchange, is_whole);
	if (!buf_add_str(&exchange->body_, buf_str(in)))
		return "the answer is too large";
	buf_clear(in);
	*is_whole = exchange->kind_ == HTTP_BODY_CLOSE ? has_ended
	                                               : exchange->body_.len >= exchange->length_;
	return NULL;
}

static const char *take(struct ocsp_exchange *exchange, bool has_ended, bool *is_whole)
{
	const char *why = exchange->has_head_ ? NULL : take_head(exchange);

	if (!why && exchange->has_head_)
		why = take_body(exchange, has_ended, is_whole);
	return why;
}

static enum verdict run_receive(struct ocsp_exchange *exchange, struct outcome *outcome)
{
	for (;;) {
		char piece[READ_BYTES];
		ssize_t n = stream_read(&exchange->stream_, piece, sizeof(piece));
		bool is_whole = false;
		const char *why;

		if (n == STREAM_WAIT)
			return WAIT;
		if (n < 0)
			return end_with(outcome, strerror((int)-n));
		if (!buf_add(&exchange->in_, piece, (size_t)n))
			return end_with(outcome, "the answer is too large");
		why = take(exchange, n == 0, &is_whole);
		if (why || is_whole)
			return end_with(outcome, why);
		if (n == 0)
			return end_with(outcome, "the connection ended within the answer");
	}
}

/* ---- going through them */

static enum verdict (*const steps[])(struct ocsp_exchange *, struct outcome *) = {
	[OCSP_RESOLVE] = run_resolve,
	[OCSP_CONNECT] = run_connect,
	[OCSP_SEND] = run_send,
	[OCSP_RECEIVE] = run_receive,
};

static void end(struct ocsp_exchange *exchange, const char *why)
{
	struct buf body = exchange->body_;

	buf_init(&exchange->body_, TLS_OCSP_MAX_BYTES);
	ocsp_exchange_stop(exchange);
	exchange->done(exchange, buf_str(&body), why);
	buf_fini(&body);
}

static void run(struct ocsp_exchange *exchange)
{
	struct outcome outcome = {NULL};
	enum verdict verdict = GO_ON;

	while (verdict == GO_ON)
		verdict = steps[exchange->step_](exchange, &outcome);
	if (verdict == OVER)
		end(exchange, outcome.why);
}

static void wake(void *owner)
{
	run(owner);
}

static void resolved(struct resolver_query *query)
{
	run(CONTAINER(query, struct ocsp_exchange, query_));
}

static void late(struct timer *timer)
{
	end(CONTAINER(timer, struct ocsp_exchange, timer_), "no answer in time");
}

static void begin(struct loop_task *task)
{
	run(CONTAINER(task, struct ocsp_exchange, task_));
}

/* ---- start and stop */

static bool write_request(struct buf *out, const struct uri *uri, struct str question)
{
	struct str path = uri->path_and_query;

	buf_init(out, REQUEST_MAX_BYTES);
	return buf_printf(out, "POST %s%.*s HTTP/1.1\r\nHost: ",
	                  str_starts_with(path, STR("/")) ? "" : "/", STR_ARG(path)) &&
	       uri_add_authority(out, uri->host, uri->port, 80) &&
	       buf_printf(out,
	                  "\r\nContent-Type: application/ocsp-request\r\nContent-Length: %zu\r\n"
	                  "Accept: application/ocsp-response\r\nConnection: close\r\n\r\n",
	                  question.len) &&
	       buf_add_str(out, question);
}

/* The brackets of an IPv6 address are the URL's. */
static struct str host_name(struct str host)
{
	return host.at[0] == '[' ? str_first(str_from(host, 1), host.len - 2) : host;
}

bool ocsp_exchange_start(struct ocsp_exchange *exchange, struct str url, struct str question)
{
	struct uri uri;

	check(ocsp_exchange_is_idle(exchange));
	if (!uri_parse(url, &uri) || uri.is_https)
		return false;
	if (!write_request(&exchange->request_, &uri, question)) {
		buf_fini(&exchange->request_);
		return false;
	}
	buf_init(&exchange->in_, HEAD_MAX_BYTES + TLS_OCSP_MAX_BYTES);
	buf_init(&exchange->body_, TLS_OCSP_MAX_BYTES);
	h1_parser_reset(&exchange->parser_);
	exchange->chunks_ = (struct h1_chunks){0};
	exchange->addr_ = 0;
	exchange->has_head_ = exchange->is_sending_ = false;
	exchange->step_ = OCSP_RESOLVE;
	exchange->query_ = (struct resolver_query){.done = resolved};
	timer_init(&exchange->timer_, late);
	timer_set(exchange->loop, &exchange->timer_, clock_mono_ms() + OCSP_EXCHANGE_MS);
	exchange->task_ = (struct loop_task){.run = begin};
	/* Nothing ends within the call that asked. */
	if (resolver_ask(exchange->resolver, host_name(uri.host), uri.port, &exchange->query_))
		loop_defer(exchange->loop, &exchange->task_);
	return true;
}

void ocsp_exchange_stop(struct ocsp_exchange *exchange)
{
	if (ocsp_exchange_is_idle(exchange))
		return;
	timer_cancel(&exchange->timer_);
	loop_task_cancel(&exchange->task_);
	resolver_cancel(&exchange->query_);
	stream_close(&exchange->stream_);
	buf_fini(&exchange->request_);
	buf_fini(&exchange->in_);
	buf_fini(&exchange->body_);
	exchange->step_ = OCSP_IDLE;
}

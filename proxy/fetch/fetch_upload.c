/* SPDX-License-Identifier: BSD-2-Clause */
/* The request on its way to the origin: its head, then its body as the client sends it. */
#include <string.h>

#include "lib/base/heap.h"
#include "proxy/fetch/fetch_internal.h"

enum fetch_state fetch_run_send(struct fetch *fetch)
{
	struct stream *stream = &fetch->conn->stream;
	struct iovec iov = {fetch->head.at, fetch->head.len};
	ssize_t n = stream_is_writing(stream) ? stream_writev(stream, NULL, 0)
	                                      : stream_writev(stream, &iov, 1);

	if (n == STREAM_WAIT) {
		fetch_set_deadline(fetch, fetch_config(fetch)->write_timeout_ms);
		return FETCH_SEND;
	}
	if (n < 0)
		return fetch_lost(fetch, (struct fetch_failure){502, ERROR_WRITE_ERROR, (int)-n});
	fetch_count_out(fetch, (size_t)n);
	fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
	return FETCH_HEAD;
}

bool fetch_has_upload(const struct fetch *fetch)
{
	return fetch->order.exchange && !fetch->upload.is_done &&
	       fetch_request(fetch)->body != HTTP_BODY_NONE;
}

/* One piece to the origin, with chunked framing if the client's length is not known. n 0: the end.
 */
static ssize_t send_piece(struct fetch *fetch, size_t n)
{
	struct upload *upload = &fetch->upload;
	struct iovec iov[3];
	int niov = 0;

	if (!upload->is_chunked) {
		iov[niov++] = (struct iovec){upload->bytes, n};
		return n > 0 ? stream_writev(&fetch->conn->stream, iov, niov) : 0;
	}
	iov[niov++] =
		(struct iovec){upload->chunk_head, h1_encode_chunk_head(n, upload->chunk_head)};
	if (n > 0)
		iov[niov++] = (struct iovec){upload->bytes, n};
	iov[niov++] = (struct iovec){"\r\n", 2};
	return stream_writev(&fetch->conn->stream, iov, niov);
}

void fetch_end_upload(struct fetch *fetch)
{
	fetch->upload.is_done = true;
	mem_free(fetch->upload.bytes);
	fetch->upload.bytes = NULL;
}

/* ---- a small body is kept until the answer's head is there (RFC 9110 §9.2.2) */

/* With a precondition, the answer to the second one could be about what the first has changed. */
static bool is_conditional(const struct http_head *head)
{
	return http_has(head, FIELD_IF_MATCH) || http_has(head, FIELD_IF_NONE_MATCH) ||
	       http_has(head, FIELD_IF_UNMODIFIED_SINCE) || http_has(head, FIELD_IF_MODIFIED_SINCE);
}

bool fetch_keeps_upload(const struct fetch *fetch)
{
	const struct http_request *request = fetch_request(fetch);

	return http_method_is_idempotent(request->method) && !is_conditional(&request->head) &&
	       (request->body != HTTP_BODY_LENGTH || request->content_length <= UPLOAD_KEPT_BYTES);
}

void fetch_rewind_upload(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;

	if (!upload->is_kept)
		return;
	upload->kept_sent = 0;
	upload->is_done = upload->is_end_sent = false;
}

void fetch_forget_upload(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;

	upload->is_kept = false;
	if (upload->kept_sent == upload->kept.len)
		buf_fini(&upload->kept);
}

/* The first n of upload->bytes came from the client. */
static void keep(struct upload *upload, size_t n)
{
	if (upload->is_kept && !buf_add(&upload->kept, upload->bytes, n)) {
		upload->is_kept = false;
		buf_fini(&upload->kept);
	}
	upload->kept_sent = upload->kept.len;
}

/* request_body_max_size, where the client did not say the length first. */
bool fetch_is_too_large(const struct fetch *fetch)
{
	int64_t max = fetch_config(fetch)->request_body_max_bytes;

	return max > 0 && fetch->upload.nbytes > (uint64_t)max;
}

enum pump {
	PUMP_ON,     /* there may be more to do at once */
	PUMP_WAIT,
	PUMP_DONE,
	PUMP_BROKEN, /* the client's fault (is_broken_upload) or the origin's */
};

/* The result of a piece that was sent, or waits to be. */
static enum pump sent(ssize_t n)
{
	if (n == STREAM_WAIT)
		return PUMP_WAIT;
	return n < 0 ? PUMP_BROKEN : PUMP_ON;
}

static enum pump collect_sent(struct fetch *fetch)
{
	struct stream *stream = &fetch->conn->stream;
	enum pump pump;

	if (!stream_is_writing(stream))
		return PUMP_ON;
	pump = sent(stream_writev(stream, NULL, 0));
	if (pump == PUMP_ON)
		fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
	return pump;
}

static enum pump send_end(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;

	if (!(upload->is_chunked || upload->wants_crlf) || upload->is_end_sent)
		return PUMP_DONE;
	upload->is_end_sent = true;
	if (upload->wants_crlf)
		return sent(stream_writev(&fetch->conn->stream, &(struct iovec){"\r\n", 2}, 1));
	return sent(send_piece(fetch, 0));
}

static enum pump take_more(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;
	struct exchange *exchange = fetch->order.exchange;
	ssize_t n = exchange->ops->read_body(exchange, upload->bytes, UPLOAD_BYTES);

	if (n == STREAM_WAIT)
		return PUMP_WAIT;
	upload->is_started = true;
	upload->nbytes += n > 0 ? (uint64_t)n : 0;
	fetch->is_broken_upload = n < 0 || fetch_is_too_large(fetch);
	if (fetch->is_broken_upload)
		return PUMP_BROKEN;
	/* The origin need not answer before it has all: only a pause counts. */
	fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
	if (n <= 0)
		return PUMP_ON;
	keep(upload, (size_t)n);
	return sent(send_piece(fetch, (size_t)n));
}

static enum pump send_kept(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;
	size_t n = upload->kept.len - upload->kept_sent;

	if (n > UPLOAD_BYTES)
		n = UPLOAD_BYTES;
	memcpy(upload->bytes, upload->kept.at + upload->kept_sent, n);
	upload->kept_sent += n;
	fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
	return sent(send_piece(fetch, n));
}

static enum pump send_more(struct fetch *fetch)
{
	const struct upload *upload = &fetch->upload;

	if (upload->kept_sent < upload->kept.len)
		return send_kept(fetch);
	return fetch->order.exchange->is_body_read && upload->is_started ? send_end(fetch)
									 : take_more(fetch);
}

/* Squid: broken_posts: an origin that wants a CRLF behind the body. */
static bool is_broken_post(const struct fetch *fetch)
{
	const struct access_list *list = fetch_config(fetch)->broken_posts;

	return list && fetch->state != FETCH_BODY && /* the facts go with the answer's head */
	       access_list_allows(list, false, fetch->order.facts);
}

bool fetch_pump_upload(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;
	struct exchange *exchange = fetch->order.exchange;
	enum pump pump;

	if (!upload->bytes) {
		upload->bytes = mem_alloc(UPLOAD_BYTES);
		upload->is_chunked = fetch_request(fetch)->body == HTTP_BODY_CHUNKED;
		upload->wants_crlf = !upload->is_chunked && is_broken_post(fetch);
		if (!upload->is_started) {
			upload->is_kept = fetch_keeps_upload(fetch);
			exchange->ops->send_continue(exchange);
		}
	}
	do {
		pump = collect_sent(fetch);
		if (pump == PUMP_ON)
			pump = send_more(fetch);
	} while (pump == PUMP_ON);
	if (pump == PUMP_DONE)
		fetch_end_upload(fetch);
	return pump != PUMP_BROKEN;
}

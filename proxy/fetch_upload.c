/* SPDX-License-Identifier: BSD-2-Clause */
/* The request on its way to the origin: its head, then its body as the client sends it. */
#include "lib/base/heap.h"
#include "proxy/fetch_internal.h"

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
	fetch->order.worker->counters.server_bytes_out += (uint64_t)n;
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

/* request_body_max_size, where the client did not say the length first. */
bool fetch_is_too_large(const struct fetch *fetch)
{
	int64_t max = fetch_config(fetch)->request_body_max_bytes;

	return max > 0 && fetch->upload.nbytes > (uint64_t)max;
}

/* Moves the body on. False: it broke (the client's fault or the origin's). */
bool fetch_pump_upload(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;
	struct exchange *exchange = fetch->order.exchange;
	struct stream *stream = &fetch->conn->stream;

	if (!upload->bytes) {
		upload->bytes = mem_alloc(UPLOAD_BYTES);
		upload->is_chunked = fetch_request(fetch)->body == HTTP_BODY_CHUNKED;
		exchange->ops->send_continue(exchange);
	}
	for (;;) {
		ssize_t n;

		if (stream_is_writing(stream)) {
			n = stream_writev(stream, NULL, 0);
			if (n < 0)
				return n == STREAM_WAIT;
			fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
		}
		if (exchange->is_body_read && upload->is_started) {
			if (!upload->is_chunked || upload->is_done)
				return fetch_end_upload(fetch), true;
			upload->is_done = true;
			n = send_piece(fetch, 0);
			if (n == STREAM_WAIT)
				continue;
			return n >= 0 ? (fetch_end_upload(fetch), true) : false;
		}
		n = exchange->ops->read_body(exchange, upload->bytes, UPLOAD_BYTES);
		if (n == STREAM_WAIT)
			return true;
		if (n < 0) {
			fetch->is_broken_upload = true;
			return false;
		}
		upload->is_started = true;
		upload->nbytes += (uint64_t)n;
		/* The origin need not answer before it has all: only a pause counts. */
		fetch_set_deadline(fetch, fetch_config(fetch)->read_timeout_ms);
		if (fetch_is_too_large(fetch)) {
			fetch->is_broken_upload = true;
			return false;
		}
		if (n > 0)
			n = send_piece(fetch, (size_t)n);
		if (n < 0 && n != STREAM_WAIT)
			return false;
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames on their way out. nghttp2 is asked for frames until a flight is full or there are no more,
 * and the flight goes out in one write. Small pieces of bodies are copied behind their frame's
 * head, larger ones are sent from where they lie: their readers advance when the write is done. */
#include <errno.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/session/session_h2_internal.h"

enum {
	COPY_MAX_BYTES = 4096, /* of a piece: an iovec costs about as much */
	/* nghttp2 gives no more at once but for DATA, which comes by h2_flight_add_data. */
	ROOM_BYTES = 16384 + 2 * H2_HEAD_BYTES,
};

static struct h2_flight *get_flight(struct h2_session *session)
{
	struct worker *worker = session->worker;
	struct h2_flight *flight = worker->spare_flight;

	worker->spare_flight = NULL;
	if (!flight)
		flight = mem_alloc(sizeof(*flight));
	flight->niov = 0;
	flight->used = 0;
	list_init(&flight->aboard);
	session->flight = flight;
	return flight;
}

static void put_flight(struct h2_session *session)
{
	struct worker *worker = session->worker;

	if (worker->spare_flight)
		mem_free(session->flight);
	else
		worker->spare_flight = session->flight;
	session->flight = NULL;
}

static void add_copy(struct h2_flight *flight, const void *bytes, size_t len)
{
	char *at = flight->bytes + flight->used;
	struct iovec *last = flight->niov > 0 ? &flight->iov[flight->niov - 1] : NULL;

	check(len <= sizeof(flight->bytes) - flight->used);
	memcpy(at, bytes, len);
	flight->used += len;
	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += len;
	else
		flight->iov[flight->niov++] = (struct iovec){at, len};
}

static bool has_room(const struct h2_flight *flight)
{
	return sizeof(flight->bytes) - flight->used >= ROOM_BYTES &&
	       flight->niov + 2 * H2_BODY_IOV + 1 <= STREAM_MAX_IOV;
}

void h2_flight_board(struct h2_stream *stream)
{
	if (list_is_empty(&stream->aboard))
		list_push_back(&stream->session->flight->aboard, &stream->aboard);
}

int h2_flight_add_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *head,
                       size_t length, nghttp2_data_source *source, void *user)
{
	struct h2_session *session = user;
	struct h2_flight *flight = session->flight;
	struct h2_stream *stream = source->ptr;

	(void)h2;
	check(frame->data.padlen == 0 && length == stream->plan.made + stream->plan.read);
	if (!has_room(flight))
		return NGHTTP2_ERR_WOULDBLOCK;
	add_copy(flight, head, H2_HEAD_BYTES);
	for (int i = 0; i < stream->plan.niov; i++) {
		const struct iovec *piece = &stream->plan.iov[i];

		if (piece->iov_len <= COPY_MAX_BYTES)
			add_copy(flight, piece->iov_base, piece->iov_len);
		else
			flight->iov[flight->niov++] = *piece;
	}
	h2_flight_board(stream);
	h2_reply_commit(stream);
	return 0;
}

/* As many frames as the flight holds. False: nghttp2 has failed. */
static bool load(struct h2_session *session)
{
	struct h2_flight *flight = session->flight;

	while (has_room(flight)) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(session->h2, &bytes);

		if (n < 0)
			return false;
		if (n == 0)
			break;
		add_copy(flight, bytes, (size_t)n);
	}
	return true;
}

/* The write is done. */
static void land(struct h2_session *session)
{
	struct list aboard, *node;

	list_init(&aboard);
	list_splice(&aboard, &session->flight->aboard);
	h2_nuisance_pay(session, session->in_write);
	session->sent += session->in_write;
	session->in_write = 0;
	put_flight(session);
	session->is_sending = false;
	while ((node = list_pop_front(&aboard)))
		h2_reply_landed(CONTAINER(node, struct h2_stream, aboard));
}

/* One write. STREAM_WAIT; 0: there was nothing; or what stream_writev says. */
static ssize_t send_once(struct h2_session *session)
{
	struct h2_flight *flight;

	if (session->is_sending)
		return stream_writev(&session->stream, NULL, 0);
	flight = get_flight(session);
	if (!load(session))
		return -EPROTO;
	if (flight->niov == 0) {
		land(session);
		return 0;
	}
	session->is_sending = true;
	for (int i = 0; i < flight->niov; i++)
		session->in_write += flight->iov[i].iov_len;
	session->write_began_ms = loop_now_ms(session->worker->loop);
	return stream_writev(&session->stream, flight->iov, flight->niov);
}

bool h2_flight_send(struct h2_session *session)
{
	for (;;) {
		ssize_t n = send_once(session);

		if (n == STREAM_WAIT || n == 0)
			return true;
		if (n < 0)
			return false;
		land(session);
	}
}

void h2_flight_drop(struct h2_session *session)
{
	if (session->flight)
		put_flight(session);
}

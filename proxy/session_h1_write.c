/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a reply: its head and what the body has by then in one writev, then the rest as it comes.
 */
#include "cache/object.h"
#include "proxy/session_h1_internal.h"

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
	session_end_transaction(session);
	if (keep && is_read)
		return SESSION_READ_HEAD;
	/* A plain close after unread bytes would reset the connection under the reply. */
	return is_read && session->input.len == 0 ? SESSION_CLOSED : SESSION_LINGER;
}

/* Puts chunked framing around the body pieces iov[1..n]; iov[0] becomes the chunk's head. The last
 * chunk goes along when the body is known to end there. Returns the number of pieces. */
static int frame_chunk(struct session *session, struct iovec *iov, int n, uint64_t bytes,
                       bool is_last)
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

enum session_state session_run_write_reply(struct session *session)
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

/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a reply: its head and what the body has by then in one writev, then the rest as it comes.
 */
#include "cache/object.h"
#include "proxy/session/bandwidth.h"
#include "proxy/session/session_h1_internal.h"

/* The origin sends no more; the client may. */
static enum session_state end_of_tunnel(struct session *session)
{
	if (!session->has_shut_down)
		stream_shutdown_write(&session->stream);
	session->has_shut_down = true;
	return SESSION_WRITE_REPLY;
}

static bool may_be_kept(const struct session *session)
{
	bool is_over = session->is_stopping && !session->worker->is_patient;

	return session->is_keep_alive && !session->exchange->reply.close_after && !is_over &&
	       !session->is_body_broken;
}

/* Keep the connection, read the rest of the request's body first, or end it. */
static enum session_state after_reply(struct session *session)
{
	struct exchange *exchange = session->exchange;
	bool keep = may_be_kept(session) && !stream_ends_after_write(&session->stream);
	bool is_read = exchange->is_body_read && !session->is_body_broken;

	session->discarded = 0;
	if (exchange->reply.is_tunnel && !exchange->reply.is_tunnel_over)
		return end_of_tunnel(session);
	if (keep && !is_read && !session->is_continue_due)
		return SESSION_DRAIN;
	session_end_transaction(session);
	if (keep && is_read)
		return SESSION_READ_HEAD;
	/* A plain close after unread bytes would reset the connection under the reply. */
	return is_read && session->input.len == 0 ? SESSION_CLOSED : SESSION_LINGER;
}

/* What ends a chunked body, behind a chunk's data or alone. Returns the number of pieces. */
static int add_end(const struct reply *reply, struct iovec *iov, bool is_behind_data)
{
	static const char last[] = "\r\n0\r\n\r\n";
	struct str trailers = reply->reader.object->trailers;
	size_t skip = is_behind_data ? 0 : 2;

	if (!reply->takes_trailers || trailers.len == 0) {
		iov[0] = (struct iovec){(void *)(last + skip), sizeof(last) - 1 - skip};
		return 1;
	}
	iov[0] = (struct iovec){(void *)(last + skip), sizeof(last) - 3 - skip};
	iov[1] = (struct iovec){(void *)trailers.at, trailers.len};
	iov[2] = (struct iovec){(void *)last, 2};
	return 3;
}

/* Puts chunked framing around the body pieces iov[1..n]; iov[0] becomes the chunk's head. The last
 * chunk goes along when the body is known to end there. Returns the number of pieces. */
static int frame_chunk(struct session *session, struct iovec *iov, int n, uint64_t bytes,
                       bool is_last)
{
	static const char end[] = "\r\n";
	const struct reply *reply = &session->exchange->reply;

	session->is_end_sent = is_last;
	if (bytes == 0)
		return is_last ? add_end(reply, iov, false) : 0;
	iov[0].iov_base = session->chunk_head;
	iov[0].iov_len = h1_encode_chunk_head(bytes, session->chunk_head);
	if (is_last)
		return n + 1 + add_end(reply, iov + n + 1, true);
	iov[n + 1] = (struct iovec){(void *)end, sizeof(end) - 1};
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

/* The same for a body of several parts: a part's head goes before its first bytes. */
static int gather_part(struct session *session, struct reply *reply, struct iovec *iov, bool *wait)
{
	int nhead = 0, n = 0;
	uint64_t max, bytes = 0;
	enum object_read got = OBJECT_READ_END;

	if (reply->part_left == 0) {
		const struct reply_part *part = reply->parts++;

		iov[nhead++] = (struct iovec){(void *)part->head.at, part->head.len};
		reply->body_left -= part->head.len;
		reply->part_left = part->len;
		object_reader_skip(&reply->reader, part->offset);
	}
	max = reply->part_left < WRITE_MAX_BYTES ? reply->part_left : WRITE_MAX_BYTES;
	if (reply->pace && max > 0 && (max = pace_may(reply->pace, max)) == 0)
		got = OBJECT_READ_WAIT;
	if (max > 0)
		got = object_read(&reply->reader, iov + nhead, BODY_IOV, max, &n);
	if (got == OBJECT_READ_ABORTED)
		return -1;
	*wait = got == OBJECT_READ_WAIT;
	for (int i = 0; i < n; i++)
		bytes += iov[nhead + i].iov_len;
	reply->part_left -= bytes;
	session->body_in_write = bytes;
	session->is_end_sent = reply->body_left == bytes;
	return nhead + n;
}

/* reply_body_max_size, where the length was not declared: bytes up to the cut, then one that shows
 * whether there are more. */
static uint64_t within_cut(const struct reply *reply, uint64_t max)
{
	uint64_t left = reply->cut_at - reply->reader.offset;

	if (left == 0)
		return 1;
	return max < left ? max : left;
}

/* Adds what the body has now. Returns the number of pieces, or -1 when it was cut short. */
static int gather_body(struct session *session, struct reply *reply, struct iovec *iov, bool *wait)
{
	int n = 0, at = reply->is_chunked ? 1 : 0;
	uint64_t max = reply->body_left < WRITE_MAX_BYTES ? reply->body_left : WRITE_MAX_BYTES;
	uint64_t bytes = 0;
	enum object_read got;
	bool is_last;

	if (reply->parts)
		return gather_part(session, reply, iov, wait);
	if (reply->cut_at > 0)
		max = within_cut(reply, max);
	if (reply->pace && (max = pace_may(reply->pace, max)) == 0) {
		*wait = true;
		return 0;
	}
	got = object_read(&reply->reader, iov + at, BODY_IOV, max, &n);
	if (got == OBJECT_READ_ABORTED)
		return -1;
	if (got != OBJECT_READ_DATA)
		n = 0;
	*wait = got == OBJECT_READ_WAIT;
	for (int i = 0; i < n; i++)
		bytes += iov[at + i].iov_len;
	if (reply->cut_at > 0 && reply->reader.offset + bytes > reply->cut_at)
		return -1;
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
	session->in_write = 0;
	session->deadline = DEADLINE_NONE; /* progress: the wait begins anew */
	if (session->body_in_write > 0) {
		object_reader_advance(&reply->reader, session->body_in_write);
		if (reply->pace)
			pace_took(reply->pace, session->body_in_write);
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

/* One write: pieces of memory, then perhaps of a file. */
struct outgoing {
	struct iovec iov[REPLY_MAX_PIECES + BODY_IOV + 4];
	int niov;
	struct stream_file file; /* len 0: none */
	bool wait;               /* the body has no more for now */
};

/* A body that lies in a file, and is long enough for sendfile to pay. */
static bool take_file(struct session *session, struct reply *reply, struct stream_file *file)
{
	struct object_reader *reader = &reply->reader;
	uint64_t left, length;

	if (reply->is_chunked || reply->parts || reply->pace ||
	    !stream_can_send_file(&session->stream) ||
	    !object_file(reader->object, &file->fd, &file->offset))
		return false;
	length = object_length(reader->object);
	left = length - reader->offset;
	if (left > reply->body_left)
		left = reply->body_left;
	if (left < SENDFILE_MIN_BYTES)
		return false;
	file->offset += (int64_t)reader->offset;
	file->len = (size_t)left;
	session->body_in_write = left;
	session->is_end_sent = true;
	return true;
}

static size_t bytes_of(const struct outgoing *out)
{
	size_t bytes = out->file.len;

	for (int i = 0; i < out->niov; i++)
		bytes += out->iov[i].iov_len;
	return bytes;
}

/* False: the body was cut short. */
static bool gather(struct session *session, struct reply *reply, struct outgoing *out)
{
	int nbody = 0;

	out->niov = 0;
	out->file.len = 0;
	out->wait = false;
	if (!session->is_head_sent)
		for (; out->niov < reply->nhead; out->niov++)
			out->iov[out->niov] = reply->head[out->niov];
	if (!reply->has_body || reply->body_left == 0)
		session->is_end_sent = true;
	else if (!take_file(session, reply, &out->file))
		nbody = gather_body(session, reply, out->iov + out->niov, &out->wait);
	session->is_head_sent = true;
	if (nbody > 0)
		out->niov += nbody;
	return nbody >= 0;
}

/* One write of what there is. True: go on; false: *next says what follows. */
static bool write_once(struct session *session, struct reply *reply, enum session_state *next)
{
	struct outgoing out;
	ssize_t n;

	if (!gather(session, reply, &out)) {
		*next = reply_failed(session);
		return false;
	}
	*next = SESSION_WRITE_REPLY;
	if (session->is_end_sent && !reply->is_tunnel && !may_be_kept(session))
		stream_end_after_write(&session->stream);
	if (out.file.len > 0) {
		n = stream_send_file(&session->stream, out.iov, out.niov, &out.file);
	} else if (out.niov > 0) {
		n = stream_writev(&session->stream, out.iov, out.niov);
	} else {
		if (session->is_end_sent)
			*next = after_reply(session);
		return false;
	}
	if (n == STREAM_WAIT) {
		session->in_write = bytes_of(&out);
		return false;
	}
	if (n < 0) {
		*next = SESSION_CLOSED;
		return false;
	}
	wrote(session, reply, n);
	if (!session->is_end_sent)
		return !out.wait;
	*next = after_reply(session);
	return false;
}

static enum session_state write_reply(struct session *session)
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

/* Both directions at once. What ends it is told by its object, or by is_tunnel_over. */
static enum session_state run_tunnel(struct session *session)
{
	const struct reply *reply = &session->exchange->reply;
	enum session_state next;

	if (object_state(reply->reader.object) == OBJECT_ABORTED)
		return reply_failed(session);
	next = write_reply(session);
	if (next != SESSION_WRITE_REPLY)
		return next;
	/* Both ways shut, there may be something to read all the same. */
	if (stream_has_hung_up(&session->stream) && !session->has_shut_down)
		return SESSION_CLOSED;
	stream_watch(&session->stream);
	transaction_body_wake(session->transaction);
	return SESSION_WRITE_REPLY;
}

/* ---- a group: replies that took long to make, a few of one turn of the loop, are written one
 * right behind the other. A client on the same machine that keeps up with us sleeps meanwhile: it
 * is woken up, which costs as much as a copy of 32 KiB, once for all of them. */

void session_leave_write_group(struct session *session)
{
	if (session->write_place > 0)
		session->worker->write_group.session[session->write_place - 1] = NULL;
	session->write_place = 0;
}

static void write_group(struct loop_task *task)
{
	struct worker *worker = CONTAINER(task, struct worker, write_group.task);

	for (unsigned i = 0; i < worker->write_group.n; i++)
		if (worker->write_group.session[i])
			session_run(worker->write_group.session[i]);
	worker->write_group.n = 0;
}

static bool may_join_group(const struct session *session)
{
	return session->exchange->reply.was_dear && !session->is_head_sent &&
	       !stream_is_writing(&session->stream) &&
	       session->worker->write_group.n < WORKER_WRITE_GROUP &&
	       loop_has_more(session->worker->loop);
}

static void join_group(struct session *session)
{
	struct worker *worker = session->worker;

	worker->write_group.session[worker->write_group.n++] = session;
	session->write_place = (uint8_t)worker->write_group.n;
	worker->write_group.task.run = write_group;
	loop_defer(worker->loop, &worker->write_group.task);
	if (worker->write_group.n == WORKER_WRITE_GROUP)
		loop_hurry(worker->loop, &worker->write_group.task);
}

enum session_state session_run_write_reply(struct session *session)
{
	enum session_state next;
	bool is_writing, is_uploading;

	if (session->exchange->reply.is_tunnel)
		return run_tunnel(session);
	if (session->write_place > 0) {
		session_leave_write_group(session);
	} else if (may_join_group(session)) {
		join_group(session);
		return SESSION_WRITE_REPLY;
	}
	next = write_reply(session);

	if (next != SESSION_WRITE_REPLY)
		return next;
	is_writing = stream_is_writing(&session->stream);
	is_uploading = !session->exchange->is_body_read;
	if (!is_writing && session_client_is_gone(session))
		return SESSION_CLOSED; /* while the origin is slow */
	if (!is_writing || is_uploading)
		stream_watch(&session->stream);
	if (is_uploading) /* an answer may begin, and wait, before the request's body is at its end */
		transaction_body_wake(session->transaction);
	return SESSION_WRITE_REPLY;
}

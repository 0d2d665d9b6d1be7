/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a connection: bytes are read into the loop's shared buffer and fed to nghttp2, then
 * the streams that are due act, then what came of it is sent, and all over again. Calls from the
 * loop (wake, timer, task) end in h2_session_run, which alone destroys the session. */
#include "proxy/session/session_h2.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/server.h"
#include "proxy/session/client_table.h"
#include "proxy/session/clients.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h2_internal.h"
#include "squid-compat/config.h"
#include "squid-compat/notes.h"

enum {
	READS_AT_ONCE = 8,  /* then others have their turn */
	MAX_QUEUED = 1000,  /* frames that a client who takes nothing may cause */
	LINGER_MAX_BYTES = 1048576,
	HOST_MAX_BYTES = 256, /* a longer one is no host's name */
	SHED_MAX_LOOKS = 1024, /* at sessions, for each that comes */
};

/* ---- requests */

void h2_session_leave(struct h2_session *session)
{
	if (session->is_leaving)
		return;
	session->is_leaving = true;
	nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
	                      nghttp2_session_get_last_proc_stream_id(session->h2),
	                      NGHTTP2_NO_ERROR, NULL, 0);
}

void h2_session_renew_snapshot(struct h2_session *session)
{
	struct snapshot *now = worker_snapshot(session->worker);
	const struct config *config = snapshot_config(session->snapshot);
	const struct port *port;

	if (config->pconn_lifetime_ms > 0 &&
	    loop_now_ms(session->worker->loop) - session->opened_ms > config->pconn_lifetime_ms)
		h2_session_leave(session);
	if (!now || now == session->snapshot)
		return;
	port = listener_port(session->listener, now);
	if (!port) {
		h2_session_leave(session);
		return;
	}
	snapshot_unref(session->snapshot);
	session->snapshot = snapshot_ref(now);
	session->port = port;
}

void h2_stream_is_due(struct h2_stream *stream)
{
	struct h2_session *session = stream->session;

	if (list_is_empty(&stream->due))
		list_push_back(&session->due, &stream->due);
	if (!session->is_running)
		loop_defer(session->worker->loop, &session->task);
}

/* ---- the end */

static void drop_streams(struct h2_session *session)
{
	LIST_EACH_SAFE(node, &session->streams) {
		struct h2_stream *stream = CONTAINER(node, struct h2_stream, node);

		if (!list_is_empty(&stream->aboard))
			stream->is_end_sent = false;
		stream->is_closed = true;
		h2_stream_destroy(stream);
	}
}

static void destroy(struct h2_session *session)
{
	timer_cancel(&session->timer);
	loop_task_cancel(&session->task);
	stream_close(&session->stream);
	drop_streams(session);
	nghttp2_session_del(session->h2);
	h2_memory_fini(&session->memory);
	h2_flight_drop(session);
	h2_request_fini(&session->request);
	buf_fini(&session->served_host);
	notes_kept_free(session->notes);
	if (session->nrequests == 0)
		worker_log_empty_connection(session->worker, session->snapshot, &session->client,
		                            session->port);
	client_table_leave(session->worker->server->clients, session->count);
	clients_leave(session->worker->clients, session->counts);
	list_remove(&session->node);
	listener_unref(session->listener);
	snapshot_unref(session->snapshot);
	session->worker->nsessions--;
	worker_session_ended(session->worker);
	mem_free(session);
}

/* Nothing more is to be said. After an error the GOAWAY that tells of it has to arrive; RFC 9112
 * §9.6 says how. */
static void finish(struct h2_session *session)
{
	if (nghttp2_session_want_read(session->h2) || nghttp2_session_want_write(session->h2) ||
	    session->is_sending)
		return;
	if (session->is_leaving && !session->is_failed && session->nstreams == 0) {
		session->is_over = true;
		return;
	}
	session->is_lingering = true;
	drop_streams(session);
	stream_shutdown_write(&session->stream);
}

static bool discard(struct h2_session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);
	ssize_t n = stream_read(&session->stream, at, size);

	if (n == STREAM_WAIT)
		return false;
	session->discarded += n > 0 ? (size_t)n : 0;
	session->is_over = n <= 0 || session->discarded > LINGER_MAX_BYTES;
	return true;
}

/* ---- turns */

/* A client that takes no answers causes no more of them. */
static bool may_read(const struct h2_session *session)
{
	return !session->is_sending ||
	       nghttp2_session_get_outbound_queue_size(session->h2) < MAX_QUEUED;
}

/* False: nothing came. */
static bool receive(struct h2_session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);
	ssize_t n;

	if (session->is_lingering)
		return discard(session);
	if (session->is_failed || !may_read(session))
		return false;
	n = stream_read(&session->stream, at, size);
	if (n == STREAM_WAIT)
		return false;
	if (n <= 0)
		session->is_over = true;
	else
		h2_frames_feed(session, at, (size_t)n);
	return true;
}

/* Acts and sends until neither makes the other go on. */
static void act(struct h2_session *session)
{
	do {
		h2_streams_run(session);
		if (!session->is_lingering && !h2_flight_send(session))
			session->is_over = true;
	} while (!list_is_empty(&session->due) && !session->is_over);
}

void h2_session_run(struct h2_session *session)
{
	bool is_more = true;

	check(!session->is_running);
	session->is_running = true;
	if (!session->is_over)
		act(session);
	for (int i = 0; i < READS_AT_ONCE && is_more && !session->is_over; i++) {
		is_more = receive(session);
		if (is_more && !session->is_over)
			act(session);
	}
	if (!session->is_over && !session->is_lingering)
		finish(session);
	session->is_running = false;
	if (session->is_over) {
		destroy(session);
		return;
	}
	if (is_more)
		loop_defer(session->worker->loop, &session->task);
	h2_session_set_timer(session);
}

static void stream_woke(void *owner)
{
	h2_session_run(owner);
}

static void task_ran(struct loop_task *task)
{
	h2_session_run(CONTAINER(task, struct h2_session, task));
}

/* ---- the beginning */

bool session_h2_is_preface(const char *bytes, size_t len, bool *is_whole)
{
	static const char preface[] = NGHTTP2_CLIENT_MAGIC;

	*is_whole = len >= NGHTTP2_CLIENT_MAGIC_LEN;
	return len > 0 &&
	       memcmp(bytes, preface, *is_whole ? NGHTTP2_CLIENT_MAGIC_LEN : len) == 0;
}

void session_h2_start(const struct session_h2_origin *origin, struct stream *stream,
                      struct str already)
{
	struct worker *worker = origin->worker;
	struct h2_session *session = mem_zalloc(sizeof(*session));

	session->worker = worker;
	session->listener = listener_ref(origin->listener);
	session->snapshot = snapshot_ref(origin->snapshot);
	session->port = origin->port;
	session->client = *origin->client;
	session->count = origin->count;
	session->opened_ms = loop_now_ms(worker->loop);
	session->task.run = task_ran;
	timer_init(&session->timer, h2_timer_fired);
	list_init(&session->streams);
	list_init(&session->due);
	buf_init(&session->served_host, HOST_MAX_BYTES);
	stream_move(stream, &session->stream, stream_woke, session);
	if (origin->local)
		session->local = *origin->local;
	else
		listener_local(session->listener, stream_fd(&session->stream), &session->local);
	list_push_back(&worker->h2_sessions, &session->node);
	worker->nsessions++;
	h2_frames_start(session);
	session->is_running = true;
	if (already.len > 0)
		h2_frames_feed(session, already.at, already.len);
	session->is_running = false;
	h2_session_run(session);
}

void session_h2_stop_all(struct worker *worker, const struct listener *listener, bool now)
{
	LIST_EACH_SAFE(node, &worker->h2_sessions) {
		struct h2_session *session = CONTAINER(node, struct h2_session, node);

		if (listener && session->listener != listener)
			continue;
		if (now) {
			destroy(session);
			continue;
		}
		h2_session_leave(session);
		loop_defer(worker->loop, &session->task);
	}
}

/* One whose streams have all ended just now is busy: the next ones may be on their way. */
static bool may_go(const struct h2_session *session)
{
	return session->is_resting && session->nstreams == 0 && !session->is_running &&
	       !session->is_sending && !session->is_leaving;
}

/* Those that may not go come last at the next look, as with HTTP/1. */
unsigned session_h2_shed(struct worker *worker, unsigned max)
{
	unsigned nlooks = SHED_MAX_LOOKS < worker->nsessions ? SHED_MAX_LOOKS : worker->nsessions;
	unsigned n = 0;

	while (nlooks-- > 0 && n < max && !list_is_empty(&worker->h2_sessions)) {
		struct h2_session *session =
			CONTAINER(worker->h2_sessions.next, struct h2_session, node);

		list_remove(&session->node);
		list_push_back(&worker->h2_sessions, &session->node);
		if (!may_go(session))
			continue;
		h2_session_leave(session);
		loop_defer(worker->loop, &session->task);
		n++;
	}
	return n;
}

void session_h2_view(const struct list *node, session_view_fn *see, void *owner)
{
	const struct h2_session *session = CONTAINER(node, const struct h2_session, node);
	const struct session_view view = {.fd = stream_fd(&session->stream),
					  .nrequests = session->nrequests};

	LIST_EACH(each, &session->streams) {
		const struct h2_stream *stream = CONTAINER(each, const struct h2_stream, node);

		if (stream->transaction)
			see(owner, &view, stream->exchange);
	}
}

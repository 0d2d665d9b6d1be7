/* SPDX-License-Identifier: BSD-2-Clause */
/* What bounds the waits of a connection and of its streams: how long they may be, and how slow the
 * client (client_minimum_rate). One timer serves all streams: it looks at them once a second. */
#include "lib/base/log.h"
#include "proxy/session/session_h2_internal.h"
#include "squid-compat/config.h"

enum { LOOK_MS = 1000, LINGER_MS = 2000, REST_MS = 1000 };

static enum h2_wait which_wait(const struct h2_session *session)
{
	if (session->is_lingering)
		return H2_WAIT_LINGER;
	if (session->nstreams > 0 || session->is_sending)
		return H2_WAIT_STREAMS;
	return session->is_resting ? H2_WAIT_IDLE : H2_WAIT_REST;
}

static int64_t at_most(int64_t ms, int64_t max_ms)
{
	return ms < max_ms ? ms : max_ms;
}

void h2_session_set_timer(struct h2_session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	int64_t idle_ms = at_most(session->nrequests == 0 ? config->request_start_timeout_ms
	                                                  : config->client_idle_pconn_timeout_ms,
	                          H2_IDLE_MS);
	int64_t rest_ms = at_most(REST_MS, idle_ms);
	const int64_t wait_ms[] = {
		[H2_WAIT_REST] = rest_ms,
		[H2_WAIT_IDLE] = idle_ms - rest_ms,
		[H2_WAIT_STREAMS] = LOOK_MS,
		[H2_WAIT_LINGER] = LINGER_MS,
	};
	enum h2_wait wait = which_wait(session);
	struct loop *loop = session->worker->loop;

	if (wait == session->wait)
		return;
	session->wait = (uint8_t)wait;
	timer_set(loop, &session->timer, loop_now_ms(loop) + wait_ms[wait]);
}

/* A write waits, and the client took none of it for as long as write_timeout. */
static bool is_write_stuck(struct h2_session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	int64_t now_ms = loop_now_ms(session->worker->loop);
	size_t unsent = stream_unsent(&session->stream);

	if (!session->is_sending)
		return false;
	if (unsent < session->unsent)
		session->write_began_ms = now_ms;
	session->unsent = unsent;
	return now_ms - session->write_began_ms > config->write_timeout_ms;
}

/* A tunnel's client may still send: the tunnel bounds that. */
static bool is_half_open(const struct h2_stream *stream)
{
	return stream->is_end_sent && h2_stream_is_tunnel(stream);
}

/* Streams whose client does not open its window, or does not go on with its body. One that waits
 * for its object is the fetch's affair. */
static bool is_late(const struct h2_stream *stream, int64_t now_ms)
{
	return stream->deadline_ms < now_ms && !stream->is_deferred &&
	       list_is_empty(&stream->aboard) && !is_half_open(stream);
}

/* ---- client_minimum_rate: looked at as often as deadlines are */

/* Something of the reply is there and not sent yet. */
static bool has_reply_left(const struct h2_stream *stream)
{
	return stream->is_answered && !stream->is_deferred && !stream->is_end_sent &&
	       list_is_empty(&stream->aboard);
}

/* The stream's own window is shut. (What waits for the connection, or behind other streams, is the
 * connection's affair.) */
static bool awaits_window(const struct h2_stream *stream)
{
	return has_reply_left(stream) &&
	       nghttp2_session_get_stream_remote_window_size(stream->session->h2, stream->id) <= 0;
}

static bool is_stream_too_slow(struct h2_stream *stream, int64_t now_ms)
{
	const struct config *config = snapshot_config(stream->session->snapshot);
	unsigned share = stream->session->nstreams;
	struct exchange *exchange = stream->exchange;
	uint64_t given;

	if (!exchange || exchange->reply.is_tunnel || stream->is_closed)
		return false;
	given = exchange->request_bytes + stream->body.len - stream->body_taken;
	if (exchange->giving.since_ms != 0 && !exchange->is_body_read &&
	    minimum_rate_is_missed(&exchange->giving, config, given, share, now_ms))
		return true;
	if (!awaits_window(stream)) {
		minimum_rate_rest(&exchange->taking, now_ms);
		return false;
	}
	minimum_rate_wait(&exchange->taking, now_ms);
	return minimum_rate_is_missed(&exchange->taking, config, exchange->reply.sent_bytes, share,
				      now_ms);
}

static bool has_more(const struct h2_session *session)
{
	LIST_EACH(node, &session->streams) {
		const struct h2_stream *stream = CONTAINER(node, const struct h2_stream, node);

		if (has_reply_left(stream))
			return true;
	}
	return false;
}

/* A write waits, or the window of the connection is shut before something to be sent. */
static bool awaits_reader(const struct h2_session *session)
{
	return session->is_sending || (nghttp2_session_get_remote_window_size(session->h2) <= 0 &&
				       has_more(session));
}

static bool is_session_too_slow(struct h2_session *session, int64_t now_ms)
{
	const struct config *config = snapshot_config(session->snapshot);
	uint64_t sent = session->sent + session->in_write;
	size_t unsent = stream_unsent(&session->stream);

	if (!awaits_reader(session)) {
		minimum_rate_rest(&session->taking, now_ms);
		return false;
	}
	minimum_rate_wait(&session->taking, now_ms);
	return minimum_rate_is_missed(&session->taking, config, sent > unsent ? sent - unsent : 0,
	                              1, now_ms);
}

static void tell_slowness(struct h2_session *session)
{
	char client[ADDR_TEXT_BYTES];

	session->worker->counters.slow_clients++;
	log_say(2, "%s sends its request or takes its reply more slowly than client_minimum_rate",
		addr_ip_text(&session->client, client));
}

/* Nothing waits in the kernel either. */
static void give_up(struct h2_session *session)
{
	stream_reset(&session->stream);
	session->is_over = true;
}

static void look_at_streams(struct h2_session *session)
{
	int64_t now_ms = loop_now_ms(session->worker->loop);

	if (is_session_too_slow(session, now_ms)) {
		tell_slowness(session);
		give_up(session);
		return;
	}
	LIST_EACH(node, &session->streams) {
		struct h2_stream *stream = CONTAINER(node, struct h2_stream, node);
		bool is_slow = !stream->is_reset && is_stream_too_slow(stream, now_ms);

		if (is_slow)
			tell_slowness(session);
		if (!is_slow && !is_late(stream, now_ms))
			continue;
		if (stream->exchange)
			stream->exchange->is_timed_out = true;
		h2_stream_reset(stream, NGHTTP2_CANCEL);
	}
}

/* For the rest of its idle time it holds no more than it must. */
static void rest(struct h2_session *session)
{
	session->is_resting = true;
	if (!nghttp2_session_want_write(session->h2) && !session->flight)
		h2_memory_rest(&session->memory);
}

void h2_timer_fired(struct timer *timer)
{
	struct h2_session *session = CONTAINER(timer, struct h2_session, timer);
	enum h2_wait wait = session->wait;

	session->wait = H2_WAIT_NONE;
	if (wait == H2_WAIT_LINGER)
		session->is_over = true;
	else if (is_write_stuck(session))
		give_up(session);
	else if (wait == H2_WAIT_STREAMS)
		look_at_streams(session);
	else if (wait == H2_WAIT_REST)
		rest(session);
	else
		h2_session_leave(session);
	h2_session_run(session);
}

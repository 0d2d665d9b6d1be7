/* SPDX-License-Identifier: BSD-2-Clause */
/* What bounds each wait of a connection: how long it may be, and how slow the client
 * (client_minimum_rate). One timer serves both: it is set to whichever is to be looked at first. */
#include "lib/base/log.h"
#include "proxy/session/session_h1_internal.h"
#include "squid-compat/config.h"

static enum deadline which_deadline(const struct session *session)
{
	static const uint8_t of_state[] = {
		[SESSION_AWAIT_REPLY] = DEADLINE_REPLY,
		[SESSION_WRITE_REPLY] = DEADLINE_WRITE,
		[SESSION_DRAIN] = DEADLINE_DRAIN,
		[SESSION_LINGER] = DEADLINE_LINGER,
		[SESSION_PROXY_HEADER] = DEADLINE_FIRST_BYTE,
		[SESSION_HANDSHAKE] = DEADLINE_HANDSHAKE,
	};

	if (session->state == SESSION_WRITE_REPLY && session->exchange->reply.is_tunnel)
		return DEADLINE_TUNNEL;
	if (session->state != SESSION_READ_HEAD)
		return of_state[session->state];
	if (session->transaction)
		return DEADLINE_HEAD;
	if (session->is_stopping)
		return DEADLINE_LAST_CHANCE;
	return session->nrequests == 0 ? DEADLINE_FIRST_BYTE : DEADLINE_IDLE;
}

static int64_t wait_ms(const struct session *session, enum deadline deadline)
{
	const struct config *config = snapshot_config(session->snapshot);
	int64_t handshake_ms = config->request_start_timeout_ms;
	const int64_t all_ms[] = {
		[DEADLINE_HANDSHAKE] = handshake_ms < HANDSHAKE_MS ? handshake_ms : HANDSHAKE_MS,
		[DEADLINE_FIRST_BYTE] = config->request_start_timeout_ms,
		[DEADLINE_IDLE] = config->client_idle_pconn_timeout_ms,
		[DEADLINE_LAST_CHANCE] = LAST_CHANCE_MS,
		[DEADLINE_HEAD] = config->request_timeout_ms,
		[DEADLINE_REPLY] = config->client_lifetime_ms,
		[DEADLINE_WRITE] = config->write_timeout_ms,
		[DEADLINE_DRAIN] = DRAIN_MS,
		[DEADLINE_LINGER] = LINGER_MS,
	};

	return all_ms[deadline];
}

/* ---- client_minimum_rate */

/* Which directions may have to be waited for in the present state. */
static bool may_await_request(const struct session *session)
{
	return session->deadline == DEADLINE_HEAD ||
	       ((session->deadline == DEADLINE_REPLY || session->deadline == DEADLINE_WRITE) &&
		!session->exchange->is_body_read);
}

static bool awaits_reader(const struct session *session)
{
	return session->deadline == DEADLINE_WRITE && stream_is_writing(&session->stream);
}

/* The body is awaited when who takes it found nothing: session_read_body notes that. */
static void note_waits(struct session *session, int64_t now_ms)
{
	struct exchange *exchange = session->exchange;

	if (!exchange)
		return;
	if (session->deadline == DEADLINE_HEAD)
		minimum_rate_wait(&exchange->giving, now_ms);
	if (awaits_reader(session))
		minimum_rate_wait(&exchange->taking, now_ms);
	else
		minimum_rate_rest(&exchange->taking, now_ms);
}

/* Bytes of the reply that have arrived. */
static uint64_t taken_bytes(const struct session *session)
{
	uint64_t sent = session->exchange->reply.sent_bytes + session->in_write;
	size_t unsent = stream_unsent(&session->stream);

	return sent > unsent ? sent - unsent : 0;
}

static bool is_too_slow(struct session *session, int64_t now_ms)
{
	const struct config *config = snapshot_config(session->snapshot);
	struct exchange *exchange = session->exchange;
	bool is_head = session->deadline == DEADLINE_HEAD;
	bool is_missed = false;

	if (may_await_request(session) && exchange->giving.since_ms != 0)
		is_missed = minimum_rate_is_missed(
			&exchange->giving, config,
			is_head ? session->input.len : exchange->request_bytes, 1, now_ms);
	if (!is_missed && awaits_reader(session))
		is_missed = minimum_rate_is_missed(&exchange->taking, config, taken_bytes(session),
						   1, now_ms);
	return is_missed;
}

static void tell_slowness(struct session *session)
{
	static const char *const whats[] = {
		[DEADLINE_HEAD] = "sends its request", [DEADLINE_REPLY] = "sends its request",
		[DEADLINE_WRITE] = "takes its reply"};
	char client[ADDR_TEXT_BYTES];

	session->worker->counters.slow_clients++;
	log_say(2, "%s %s more slowly than client_minimum_rate",
		addr_ip_text(&session->client, client), whats[session->deadline]);
}

/* ---- the timer */

static void set_timer(struct session *session)
{
	struct loop *loop = session->worker->loop;
	const struct config *config = snapshot_config(session->snapshot);
	int64_t now_ms = loop_now_ms(loop), until_ms = session->until_ms;
	const struct exchange *exchange = session->exchange;

	if (may_await_request(session))
		until_ms = now_ms + minimum_rate_look_ms(&exchange->giving, config, now_ms,
							 until_ms - now_ms);
	if (session->deadline == DEADLINE_WRITE)
		until_ms = now_ms + minimum_rate_look_ms(&exchange->taking, config, now_ms,
							 until_ms - now_ms);
	timer_set(loop, &session->timer, until_ms);
}

/* client_lifetime bounds a request as a whole, however well its reply goes. */
static int64_t end_of_lifetime(const struct session *session)
{
	return session->exchange->began_ms + wait_ms(session, DEADLINE_REPLY);
}

void session_set_deadline(struct session *session)
{
	enum deadline deadline = which_deadline(session);
	int64_t now_ms = loop_now_ms(session->worker->loop);
	bool is_same = deadline == session->deadline;

	session->deadline = (uint8_t)deadline;
	note_waits(session, now_ms);
	if (is_same)
		return;
	if (deadline == DEADLINE_TUNNEL) {
		timer_cancel(&session->timer);
		return;
	}
	session->unsent = stream_unsent(&session->stream);
	session->until_ms = now_ms + wait_ms(session, deadline);
	if (deadline == DEADLINE_WRITE && session->until_ms > end_of_lifetime(session))
		session->until_ms = end_of_lifetime(session);
	set_timer(session);
}

int64_t session_idle_ms(const struct session *session)
{
	enum deadline deadline = (enum deadline)session->deadline;

	if (session->is_running || session->transaction ||
	    (deadline != DEADLINE_IDLE && deadline != DEADLINE_FIRST_BYTE))
		return 0;
	return loop_now_ms(session->worker->loop) -
	       (session->until_ms - wait_ms(session, deadline));
}

/* Has the client taken some of the write that waits, or did that begin after the timer? */
static bool is_being_read(const struct session *session)
{
	size_t unsent = stream_unsent(&session->stream);

	return unsent > 0 && (session->unsent == 0 || unsent < session->unsent);
}

static void answer_late_head(struct session *session)
{
	static const struct refusal late = {
		.status = 408,
		.error = "ERR_READ_TIMEOUT",
		.why = "the request's head took too long",
		.url = "error:transaction-end-before-headers",
	};

	session->state = (uint8_t)session_refuse(session, &late);
	session_run(session);
}

void session_timer_fired(struct timer *timer)
{
	struct session *session = CONTAINER(timer, struct session, timer);
	int64_t now_ms = loop_now_ms(session->worker->loop);
	bool is_slow = is_too_slow(session, now_ms);

	if (is_slow) {
		tell_slowness(session);
	} else if (now_ms < session->until_ms) {
		set_timer(session);
		return;
	} else if (session->deadline == DEADLINE_WRITE && is_being_read(session) &&
		   now_ms < end_of_lifetime(session)) {
		session->deadline = DEADLINE_NONE; /* slowly: the wait begins anew */
		session_set_deadline(session);
		return;
	}
	if (session->deadline == DEADLINE_HEAD) {
		answer_late_head(session);
		return;
	}
	if (session->deadline == DEADLINE_WRITE)
		stream_reset(&session->stream); /* nothing waits in the kernel either */
	if (session->exchange)
		session->exchange->is_timed_out = true;
	session_destroy(session);
}

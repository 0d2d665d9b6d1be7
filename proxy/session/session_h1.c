/* SPDX-License-Identifier: BSD-2-Clause */
/* One client connection over HTTP/1. Bytes are read into the loop's shared buffer and parsed there;
 * only what an unfinished head or a pipelined request leaves is kept in `input`, so an idle
 * connection holds no buffer. A handler does all it can without waiting and names the next state;
 * naming its own means "wait". Completions come from the loop, so session_run is not re-entered. */
#include "proxy/session/session_h1.h"

#include <errno.h>
#include <unistd.h>

#include "helpers/auth_connection.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/stream_tls.h"
#include "proxy/server.h"
#include "proxy/session/client_table.h"
#include "proxy/session/clients.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h1_internal.h"
#include "proxy/session/session_h2.h"
#include "squid-compat/config.h"
#include "squid-compat/notes.h"
#include "squid-compat/ports.h"

/* ---- READ_HEAD */

/* The newest configuration, unless this connection's port is gone from it. */
static void renew_snapshot(struct session *session)
{
	struct snapshot *now = worker_snapshot(session->worker);
	const struct port *port;

	if (now == session->snapshot)
		return;
	port = listener_port(session->listener, now);
	if (!port)
		return;
	snapshot_unref(session->snapshot);
	session->snapshot = snapshot_ref(now);
	session->port = port;
}

static bool may_persist(const struct session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	int64_t age_ms = loop_now_ms(session->worker->loop) - session->opened_ms;

	return !session->is_stopping && config->client_persistent_connections &&
	       (config->pconn_lifetime_ms <= 0 || age_ms < config->pconn_lifetime_ms);
}

/* The head is whole: len bytes lie at bytes, the first head.len of them are the head's. */
static enum session_state begin_transaction(struct session *session, const char *bytes, size_t len)
{
	struct exchange *exchange = session->exchange;
	size_t head_len = exchange->request.head.len;
	bool is_input = session->input.len > 0;

	transaction_keep_head(session->transaction);
	/* Not before a request: the PROXY header may have changed the address. */
	exchange->counts = clients_enter_once(session->worker->clients, session->snapshot,
	                                      &session->counts, &session->client);
	exchange->request_head_bytes = head_len;
	exchange->request_bytes = len;
	exchange->began_ms = loop_now_ms(session->worker->loop);
	minimum_rate_rest(&exchange->giving, exchange->began_ms);
	if (is_input)
		buf_consume(&session->input, head_len);
	else if (len > head_len)
		check(buf_add(&session->input, bytes + head_len, len - head_len));
	if (session->input.len == 0)
		buf_fini(&session->input);
	session->is_keep_alive = exchange->request.keep_alive && may_persist(session);
	exchange->may_keep_alive = session->is_keep_alive;
	session_begin_body(session, exchange);
	session->is_head_sent = session->is_end_sent = false;
	session->nrequests++;
	transaction_begin(session->transaction);
	return SESSION_AWAIT_REPLY;
}

static void prepare_transaction(struct session *session)
{
	if (session->transaction)
		return;
	renew_snapshot(session);
	h1_parser_reset(&session->parser);
	session->transaction = transaction_create(session->worker, session->snapshot);
	session->exchange = transaction_exchange(session->transaction);
	session->exchange->ops = &session_exchange_ops;
	session->exchange->session = session;
	session->exchange->port = session->port;
	session->exchange->began_ms = loop_now_ms(session->worker->loop);
	session->exchange->client_notes = &session->notes;
	session->exchange->client_auth = &session->auth;
	session->exchange->client = session->client;
	session->exchange->client_connections = client_count_now(session->count);
	session->exchange->tls_peer = stream_tls_peer(&session->stream);
	if (session->local)
		session->exchange->local = *session->local;
	else
		listener_local(session->listener, stream_fd(&session->stream),
		               &session->exchange->local);
}

enum session_state session_refuse(struct session *session, const struct refusal *refusal)
{
	prepare_transaction(session);
	session->is_keep_alive = false;
	session->is_body_broken = true;
	session->exchange->is_body_read = true;
	session->is_head_sent = session->is_end_sent = false;
	transaction_begin_refused(session->transaction, refusal);
	buf_fini(&session->input);
	return SESSION_AWAIT_REPLY;
}

static enum session_state refuse_head(struct session *session, const char *bytes, size_t len)
{
	const struct h1_error_info *info = h1_error_info(session->parser.error);
	bool is_too_large = info->status == 431 || info->status == 414;
	struct h1_request_line line;
	bool has_line = h1_read_request_line(bytes, len, &line);

	session->exchange->request_bytes = len;
	return session_refuse(session, &(struct refusal){
				       .status = info->status,
				       .error = info->squid_error,
				       .why = info->text,
				       .url = is_too_large ? "error:request-too-large"
	                                                   : "error:invalid-request",
				       .line = has_line ? &line : NULL,
				       .keeps_url = is_too_large,
			       });
}

enum session_state session_hand_over(struct session *session, struct str already)
{
	const struct session_h2_origin origin = {
		.worker = session->worker,
		.listener = session->listener,
		.snapshot = session->snapshot,
		.port = session->port,
		.client = &session->client,
		.count = session->count,
		.local = session->local,
	};

	session->count = NULL;
	session_h2_start(&origin, &session->stream, already);
	return SESSION_CLOSED;
}

/* Prior knowledge, RFC 9113 §3.3. */
static bool may_become_h2(const struct session *session)
{
	return session->port->has_h2c && !session->port->is_tls && !session->port->no_http2 &&
	       session->nrequests == 0 && !session->transaction;
}

static enum session_state parse_head(struct session *session, const char *bytes, size_t len)
{
	const struct h1_limits limits = snapshot_request_limits(session->snapshot, session->port);
	bool is_whole;

	if (may_become_h2(session) && session_h2_is_preface(bytes, len, &is_whole))
		return is_whole ? session_hand_over(session, (struct str){bytes, len})
		                : SESSION_READ_HEAD;
	prepare_transaction(session);
	switch (h1_parse_request(&session->parser, bytes, len, &limits,
	                         &session->exchange->request)) {
	case H1_DONE:
		return begin_transaction(session, bytes, len);
	case H1_ERROR:
		return refuse_head(session, bytes, len);
	case H1_MORE:
		break;
	}
	return SESSION_READ_HEAD;
}

/* A head began and will not end. */
static void drop_head(struct session *session)
{
	transaction_end_without_request(session->transaction, session->input.len);
	session->transaction = NULL;
	session->exchange = NULL;
}

enum session_state session_end_of_input(struct session *session)
{
	if (!session->transaction && session->nrequests == 0)
		worker_log_empty_connection(session->worker, session->snapshot, &session->client,
		                            session->port);
	return SESSION_CLOSED; /* which drops an unfinished head */
}

ssize_t session_read_some(struct session *session, char **at, size_t *len)
{
	size_t size;
	ssize_t n;

	if (session->input.len == 0) {
		*at = loop_read_buffer(session->worker->loop, &size);
		*len = 0;
	} else {
		size = 16384;
		if (!buf_reserve(&session->input, size))
			return -EMSGSIZE;
		*at = session->input.at;
		*len = session->input.len;
	}
	n = stream_read(&session->stream, *at + *len, size);
	if (n > 0) {
		if (session->input.len > 0)
			session->input.len += (size_t)n;
		*len += (size_t)n;
	}
	return n;
}

static enum session_state run_read_head(struct session *session)
{
	char *at = session->input.at;
	size_t len = session->input.len;
	enum session_state next = SESSION_READ_HEAD;
	bool is_new = len == 0 || !session->transaction;

	if (len > 0 && is_new)
		next = parse_head(session, at, len); /* pipelined */
	while (next == SESSION_READ_HEAD) {
		ssize_t n = session_read_some(session, &at, &len);

		if (n == STREAM_WAIT)
			break;
		if (n <= 0)
			return session_end_of_input(session);
		next = parse_head(session, at, len);
		if (next == SESSION_READ_HEAD && session->input.len == 0)
			check(buf_add(&session->input, at, len));
	}
	return next;
}

/* ---- AWAIT_REPLY */

/* half_closed_clients: a client that sends no more has gone, unless it still owes a body, or it is
 * on. */
bool session_client_is_gone(const struct session *session)
{
	return stream_has_hung_up(&session->stream) ||
	       (stream_has_ended(&session->stream) && session->exchange->is_body_read &&
	        session->input.len == 0 &&
	        !snapshot_config(session->snapshot)->half_closed_clients);
}

static enum session_state run_await_reply(struct session *session)
{
	if (transaction_has_reply(session->transaction))
		return SESSION_WRITE_REPLY;
	if (session_client_is_gone(session))
		return SESSION_CLOSED;
	stream_watch(&session->stream);
	transaction_body_wake(session->transaction);
	return transaction_has_reply(session->transaction) ? SESSION_WRITE_REPLY
	                                                   : SESSION_AWAIT_REPLY;
}

/* ---- DRAIN: the rest of a body that was answered before its end */

static enum session_state run_drain(struct session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);
	bool failed = false;

	while (!session->exchange->is_body_read) {
		ssize_t n = session_read_body(session->exchange, at, size);

		if (n == STREAM_WAIT)
			return SESSION_DRAIN;
		session->discarded += n > 0 ? (uint64_t)n : 0;
		failed = n < 0 || session->discarded > DRAIN_MAX_BYTES;
		if (failed)
			break;
	}
	session_end_transaction(session);
	return failed ? SESSION_LINGER : SESSION_READ_HEAD;
}

/* ---- LINGER: close so that the reply arrives, RFC 9112 §9.6 */

static enum session_state run_linger(struct session *session)
{
	size_t size;
	char *at = loop_read_buffer(session->worker->loop, &size);

	if (!session->is_lingering)
		stream_shutdown_write(&session->stream);
	session->is_lingering = true;
	buf_fini(&session->input);
	for (;;) {
		ssize_t n = stream_read(&session->stream, at, size);

		if (n == STREAM_WAIT)
			return SESSION_LINGER;
		if (n <= 0)
			return SESSION_CLOSED;
		session->discarded += (uint64_t)n;
		if (session->discarded > LINGER_MAX_BYTES)
			return SESSION_CLOSED;
	}
}

/* ---- the table, the ends */

static const struct step {
	const char *name;
	enum session_state (*run)(struct session *session);
} steps[] = {
	[SESSION_READ_HEAD] = {"read-head", run_read_head},
	[SESSION_AWAIT_REPLY] = {"await-reply", run_await_reply},
	[SESSION_WRITE_REPLY] = {"write-reply", session_run_write_reply},
	[SESSION_DRAIN] = {"drain", run_drain},
	[SESSION_LINGER] = {"linger", run_linger},
	[SESSION_PROXY_HEADER] = {"proxy-header", session_run_proxy_header},
	[SESSION_HANDSHAKE] = {"handshake", session_run_handshake},
};

void session_end_transaction(struct session *session)
{
	struct transaction *transaction = session->transaction;

	session->transaction = NULL;
	session->exchange = NULL;
	session->deadline = DEADLINE_NONE;
	transaction_end(transaction, session->is_end_sent);
}

void session_destroy(struct session *session)
{
	timer_cancel(&session->timer);
	session_leave_write_group(session);
	if (session->transaction && session->state == SESSION_READ_HEAD)
		drop_head(session);
	else if (session->transaction)
		session_end_transaction(session);
	stream_close(&session->stream);
	client_table_leave(session->worker->server->clients, session->count);
	buf_fini(&session->input);
	mem_free(session->local);
	notes_kept_free(session->notes);
	auth_connection_destroy(session->auth);
	clients_leave(session->worker->clients, session->counts);
	list_remove(&session->node);
	listener_unref(session->listener);
	snapshot_unref(session->snapshot);
	session->worker->nsessions--;
	worker_session_ended(session->worker);
	mem_free(session);
}

void session_run(struct session *session)
{
	check(!session->is_running);
	session->is_running = true;
	for (;;) {
		enum session_state next = steps[session->state].run(session);

		if (next == session->state)
			break;
		if (next == SESSION_CLOSED) {
			session_destroy(session);
			return;
		}
		session->state = (uint8_t)next;
		if (next == SESSION_READ_HEAD && session->is_stopping &&
		    !session->worker->is_patient) {
			session_destroy(session);
			return;
		}
	}
	session->is_running = false;
	session_set_deadline(session);
}

static void stream_woke(void *owner)
{
	session_run(owner);
}

void session_h1_start(struct worker *worker, struct listener *listener, int fd,
                      const struct addr *client)
{
	const struct port *port = listener_port(listener, worker_snapshot(worker));
	struct session *session;

	if (!port) { /* gone from the configuration: the listener is about to stop */
		close(fd);
		return;
	}
	session = mem_zalloc(sizeof(*session));
	session->worker = worker;
	session->listener = listener_ref(listener);
	session->client = *client;
	session->count = client_table_enter(worker->server->clients, client);
	session->opened_ms = loop_now_ms(worker->loop);
	session->snapshot = snapshot_ref(worker_snapshot(worker));
	session->port = port;
	session->state = (uint8_t)(port->is_tls ? SESSION_HANDSHAKE : SESSION_READ_HEAD);
	if (port->needs_proxy_header)
		session->state = SESSION_PROXY_HEADER;
	buf_init(&session->input, INPUT_MAX_BYTES);
	timer_init(&session->timer, session_timer_fired);
	list_push_back(&worker->sessions, &session->node);
	worker->nsessions++;
	stream_open_tcp(&session->stream, worker->loop, fd, stream_woke, session);
	session_run(session);
}

void session_h1_stop_all(struct worker *worker, bool now)
{
	LIST_EACH_SAFE(node, &worker->sessions) {
		struct session *session = CONTAINER(node, struct session, node);

		session->is_stopping = true;
		if (now || (!session->transaction && !worker->is_patient))
			session_destroy(session);
		else
			session_set_deadline(session);
	}
}

/* Those that are not idle go to the end of the list, so that the next look begins with others. */
unsigned session_h1_shed(struct worker *worker, unsigned max)
{
	unsigned nlooks = SHED_MAX_LOOKS < worker->nsessions ? SHED_MAX_LOOKS : worker->nsessions;
	unsigned n = 0;

	while (nlooks-- > 0 && n < max && !list_is_empty(&worker->sessions)) {
		struct session *session =
			CONTAINER(worker->sessions.next, struct session, node);

		if (session_idle_ms(session) >= SHED_IDLE_MS) {
			session_destroy(session);
			n++;
			continue;
		}
		list_remove(&session->node);
		list_push_back(&worker->sessions, &session->node);
	}
	return n;
}

void session_h1_view(const struct list *node, session_view_fn *see, void *owner)
{
	const struct session *session = CONTAINER(node, const struct session, node);
	const struct session_view view = {.fd = stream_fd(&session->stream),
					  .nrequests = session->nrequests,
					  .nread = session->input.len};

	if (session->transaction)
		see(owner, &view, session->exchange);
}

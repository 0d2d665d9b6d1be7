/* SPDX-License-Identifier: BSD-2-Clause */
/* Each peer has a probe: a timer between two looks, and a state machine for one.
 *     IDLE → RESOLVE → CONNECT → HANDSHAKE → SEND → READ → IDLE     (without a check: IDLE after the
 * handshake). Its connections are not the requests': they count for no max-conn. */
#include "proxy/fetch/peer_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/health.h"
#include "lib/base/log.h"
#include "lib/net/proxy_header.h"
#include "lib/net/resolver.h"
#include "lib/net/stream_tls.h"
#include "proxy/fetch/check_answer.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/snapshot.h"
#include "proxy/tls/tls_table.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum {
	LOOK_MS = 1000,       /* at a peer that is not checked: is it down? */
	MAX_DOWN_MS = 5000,   /* the longest time between two checks of one that is down */
	SPREAD = 8,           /* first checks do not all start at once */
	REQUEST_MAX_BYTES = 32768,
};

enum probe_state {
	PROBE_IDLE,
	PROBE_RESOLVE,
	PROBE_CONNECT,
	PROBE_HANDSHAKE,
	PROBE_SEND,
	PROBE_READ,
};

struct probe {
	struct peer_watch *watch;
	const struct peer *peer;
	struct peer_state *of;
	enum probe_state state;
	struct timer timer; /* IDLE: to the next look; else until this one has failed */
	struct resolver_query query;
	unsigned addr;
	struct origin_conn *conn;
	struct buf request;
	struct check_answer answer;
	unsigned ngood, nbad; /* in a row */
	bool is_resolving;
	struct health_note note;
};

/* One worker's. */
struct peer_watch {
	struct worker *worker;
	struct snapshot *snapshot; /* NULL: stopped */
	struct probe *probes;      /* by peer->index */
	unsigned n;
};

static void run(struct probe *probe);

static struct loop *loop_of(const struct probe *probe)
{
	return probe->watch->worker->loop;
}

static bool has_check(const struct probe *probe)
{
	return probe->peer->check.target.at;
}

/* ---- the end of a look */

static void clear(struct probe *probe)
{
	resolver_cancel(&probe->query);
	origin_close(probe->conn);
	probe->conn = NULL;
	check_answer_fini(&probe->answer);
	buf_fini(&probe->request);
	timer_cancel(&probe->timer);
	probe->state = PROBE_IDLE;
}

static int64_t pause_ms(const struct probe *probe)
{
	int64_t interval_ms = probe->peer->check.interval_ms;

	if (!has_check(probe))
		return LOOK_MS;
	return peer_state_is_up(probe->of) || interval_ms < MAX_DOWN_MS ? interval_ms : MAX_DOWN_MS;
}

/* For bobtailctl health. */
static void note_state(struct probe *probe)
{
	char why[PEER_REASON_BYTES], name[HEALTH_WHAT_BYTES];

	if (peer_state_is_up(probe->of)) {
		health_good(&probe->note);
		return;
	}
	snprintf(name, sizeof(name), "cache_peer %s", probe->of->name);
	health_bad(&probe->note, name, "%s", peer_state_reason(probe->of, why));
}

static void wait_for_next(struct probe *probe)
{
	note_state(probe);
	timer_set(loop_of(probe), &probe->timer, loop_now_ms(loop_of(probe)) + pause_ms(probe));
}

static enum probe_state succeeded(struct probe *probe)
{
	int64_t now_ms = loop_now_ms(loop_of(probe));

	probe->nbad = 0;
	if (!has_check(probe))
		peer_state_reached(probe->of, now_ms);
	else if (++probe->ngood >= probe->peer->check.rise && !peer_state_is_up(probe->of))
		peer_state_checked(probe->of, NULL, now_ms);
	return PROBE_IDLE;
}

static enum probe_state failed(struct probe *probe, const char *why)
{
	char text[PEER_REASON_BYTES];

	probe->ngood = 0;
	log_say(2, "cache_peer %s: a look at it failed: %s", probe->of->name, why);
	if (!has_check(probe) || ++probe->nbad < probe->peer->check.fall)
		return PROBE_IDLE;
	snprintf(text, sizeof(text), "%u checks in a row failed: %s", probe->nbad, why);
	peer_state_checked(probe->of, text, loop_now_ms(loop_of(probe)));
	return PROBE_IDLE;
}

/* ---- the steps */

static void woke(void *owner)
{
	run(owner);
}

static void resolved(struct resolver_query *query)
{
	struct probe *probe = CONTAINER(query, struct probe, query);

	probe->is_resolving = false;
	run(probe);
}

static enum probe_state run_idle(struct probe *probe)
{
	const struct peer *peer = probe->peer;

	probe->addr = 0;
	if (peer->unix_path.at) {
		probe->query.naddrs = 1;
		return PROBE_CONNECT;
	}
	probe->query.done = resolved;
	probe->is_resolving = !resolver_ask(probe->watch->worker->resolver, peer->host, peer->port,
					    &probe->query);
	return PROBE_RESOLVE;
}

static enum probe_state run_resolve(struct probe *probe)
{
	if (probe->is_resolving)
		return PROBE_RESOLVE;
	return probe->query.naddrs > 0 ? PROBE_CONNECT : failed(probe, probe->query.why);
}

static int start_connecting(struct probe *probe)
{
	struct origin_pool *pool = probe->watch->worker->origins;

	if (probe->peer->unix_path.at)
		return origin_connect_unix(pool, 0, NULL, probe->peer->unix_path.at, woke, probe,
					   &probe->conn);
	return origin_connect(pool, 0, NULL, &probe->query.addrs[probe->addr], NULL, woke, probe,
			      &probe->conn);
}

static enum probe_state connect_failed(struct probe *probe, int error)
{
	origin_close(probe->conn);
	probe->conn = NULL;
	return ++probe->addr < probe->query.naddrs ? PROBE_CONNECT : failed(probe, strerror(error));
}

/* Of no client: a header that says so. */
static bool send_proxy_header(struct probe *probe)
{
	static const struct addr nobody;
	char header[PROXY_HEADER_MADE_BYTES];
	size_t len;

	if (probe->peer->proxy_protocol == 0)
		return true;
	len = proxy_header_write(probe->peer->proxy_protocol, &nobody, &nobody, header);
	return send(stream_fd(&probe->conn->stream), header, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static enum probe_state connected(struct probe *probe)
{
	if (probe->peer->is_tls)
		return PROBE_HANDSHAKE;
	return has_check(probe) ? PROBE_SEND : succeeded(probe);
}

/* Once more, for the next address, within this one call: the table does not repeat a state. */
static enum probe_state run_connect(struct probe *probe)
{
	enum probe_state next = PROBE_CONNECT;

	while (next == PROBE_CONNECT) {
		int error = probe->conn ? 0 : start_connecting(probe);

		if (error == 0)
			error = stream_connect_result(&probe->conn->stream);
		if (error == STREAM_WAIT)
			return PROBE_CONNECT;
		if (error == 0 && !send_proxy_header(probe))
			error = -EPIPE;
		next = error == 0 ? connected(probe) : connect_failed(probe, -error);
	}
	return next;
}

static enum probe_state run_handshake(struct probe *probe)
{
	struct stream *stream = &probe->conn->stream;
	int result;

	if (!stream_is_tls(stream)) {
		const struct peer *peer = probe->peer;
		struct tls_client *client =
			tls_peer_client(probe->watch->snapshot->tls_peers[peer->index]);

		if (!client)
			return failed(probe, "its CAs or CRLs cannot be used");
		stream_connect_tls(stream, client, peer->tls.name);
		tls_client_unref(client);
	}
	result = stream_handshake(stream);
	if (result == STREAM_WAIT)
		return PROBE_HANDSHAKE;
	if (result != 0)
		return failed(probe, stream_tls_why(stream));
	return has_check(probe) ? PROBE_SEND : succeeded(probe);
}

static void write_request(struct probe *probe)
{
	const struct peer_check *check = &probe->peer->check;

	buf_printf(&probe->request, "GET ");
	if (!probe->peer->is_originserver)
		buf_printf(&probe->request, "http://%.*s", STR_ARG(check->host));
	buf_printf(&probe->request,
		   "%s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: bobtail-health\r\n"
		   "Cache-Control: no-cache\r\nConnection: close\r\n\r\n",
		   check->target.at[0] == '?' ? "/" : "", STR_ARG(check->target),
		   STR_ARG(check->host));
}

static enum probe_state run_send(struct probe *probe)
{
	struct stream *stream = &probe->conn->stream;
	struct iovec iov;
	ssize_t n;

	if (stream_is_writing(stream)) {
		n = stream_writev(stream, NULL, 0);
	} else {
		write_request(probe);
		iov = (struct iovec){probe->request.at, probe->request.len};
		n = stream_writev(stream, &iov, 1);
	}
	if (n == STREAM_WAIT)
		return PROBE_SEND;
	return n < 0 ? failed(probe, strerror((int)-n)) : PROBE_READ;
}

static enum probe_state run_read(struct probe *probe)
{
	enum check_verdict verdict = CHECK_MORE;

	while (verdict == CHECK_MORE) {
		size_t size;
		char *bytes = loop_read_buffer(loop_of(probe), &size);
		ssize_t n = stream_read(&probe->conn->stream, bytes, size);

		if (n == STREAM_WAIT)
			return PROBE_READ;
		if (n < 0)
			return failed(probe, strerror((int)-n));
		verdict = n == 0 ? check_answer_end(&probe->answer)
				 : check_answer_feed(&probe->answer,
						      (struct str){bytes, (size_t)n});
	}
	return verdict == CHECK_GOOD ? succeeded(probe) : failed(probe, probe->answer.why);
}

static const struct {
	enum probe_state (*run)(struct probe *probe);
	const char *late; /* what took too long */
} steps[] = {
	[PROBE_IDLE] = {run_idle, ""},
	[PROBE_RESOLVE] = {run_resolve, "its name was not resolved in time"},
	[PROBE_CONNECT] = {run_connect, "no connection in time"},
	[PROBE_HANDSHAKE] = {run_handshake, "no TLS handshake in time"},
	[PROBE_SEND] = {run_send, "it did not take the request in time"},
	[PROBE_READ] = {run_read, "no answer in time"},
};

static void run(struct probe *probe)
{
	for (;;) {
		enum probe_state next = steps[probe->state].run(probe);

		if (next == PROBE_IDLE) {
			clear(probe);
			wait_for_next(probe);
			return;
		}
		if (next == probe->state)
			return;
		probe->state = next;
	}
}

/* ---- when */

static bool is_due(const struct probe *probe)
{
	if (probe->peer->is_unusable)
		return false;
	return has_check(probe) || (atomic_load_explicit(&probe->of->down, memory_order_relaxed) &
				    (PEER_FAULT_CONNECT | PEER_FAULT_CHECK));
}

static int64_t patience_ms(const struct probe *probe)
{
	const struct config *config = snapshot_config(probe->watch->snapshot);

	if (has_check(probe))
		return probe->peer->check.timeout_ms;
	return probe->peer->connect_timeout_ms >= 0 ? probe->peer->connect_timeout_ms
						    : config->peer_connect_timeout_ms;
}

static void timer_fired(struct timer *timer)
{
	struct probe *probe = CONTAINER(timer, struct probe, timer);

	if (probe->state != PROBE_IDLE) {
		failed(probe, steps[probe->state].late);
		clear(probe);
	} else if (is_due(probe)) {
		check_answer_init(&probe->answer, &probe->peer->check);
		buf_init(&probe->request, REQUEST_MAX_BYTES);
		probe->query = (struct resolver_query){0};
		timer_set(loop_of(probe), timer, loop_now_ms(loop_of(probe)) + patience_ms(probe));
		run(probe);
		return;
	}
	wait_for_next(probe);
}

struct peer_watch *peer_watch_create(struct worker *worker)
{
	struct peer_watch *watch = mem_zalloc(sizeof(*watch));

	watch->worker = worker;
	return watch;
}

void peer_watch_stop(struct peer_watch *watch)
{
	for (unsigned i = 0; i < watch->n; i++) {
		clear(&watch->probes[i]);
		health_good(&watch->probes[i].note);
	}
	mem_free(watch->probes);
	watch->probes = NULL;
	watch->n = 0;
	snapshot_unref(watch->snapshot);
	watch->snapshot = NULL;
}

void peer_watch_destroy(struct peer_watch *watch)
{
	if (!watch)
		return;
	peer_watch_stop(watch);
	mem_free(watch);
}

void peer_watch_take(struct peer_watch *watch, struct snapshot *snapshot)
{
	const struct peers *peers = snapshot_config(snapshot)->peers;
	int64_t now_ms = loop_now_ms(watch->worker->loop);

	peer_watch_stop(watch);
	watch->snapshot = snapshot_ref(snapshot);
	watch->n = peers->n;
	watch->probes = mem_array(peers->n, sizeof(*watch->probes));
	for (const struct peer *peer = peers->first; peer; peer = peer->next) {
		struct probe *probe = &watch->probes[peer->index];

		probe->watch = watch;
		probe->peer = peer;
		probe->of = snapshot->peers[peer->index];
		timer_init(&probe->timer, timer_fired);
		timer_set(watch->worker->loop, &probe->timer,
			  now_ms + pause_ms(probe) * (peer->index % SPREAD) / SPREAD + 1);
	}
}

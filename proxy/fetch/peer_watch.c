/* SPDX-License-Identifier: BSD-2-Clause */
/* Each peer has a probe: a timer between two looks, and a state machine for one.
 *     IDLE → DIAL → SEND → READ → IDLE     (without a check: IDLE after DIAL)
 * Its connections are not the requests': they count for no max-conn. */
#include "proxy/fetch/peer_watch.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "proxy/fetch/check_answer.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/fetch/peer_dial.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/snapshot.h"
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
	PROBE_DIAL,
	PROBE_SEND,
	PROBE_READ,
};

struct probe {
	struct peer_watch *watch;
	const struct peer *peer;
	struct peer_state *of;
	enum probe_state state;
	struct timer timer; /* IDLE: to the next look; else until this one has failed */
	struct peer_dial dial;
	struct buf request;
	struct check_answer answer;
	unsigned ngood, nbad; /* in a row */
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
	peer_dial_end(&probe->dial);
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

/* A tenth more or less: looks do not keep step with a peer that comes and goes, or with other
 * proxies' looks. */
static int64_t about(int64_t ms)
{
	int64_t tenth = ms / 10;

	return ms - tenth + (int64_t)(random_u64() % (uint64_t)(2 * tenth + 1));
}

static void wait_for_next(struct probe *probe)
{
	timer_set(loop_of(probe), &probe->timer,
		  loop_now_ms(loop_of(probe)) + about(pause_ms(probe)));
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
	if (!has_check(probe) && peer_dial_was_refused(&probe->dial))
		peer_state_refused(probe->of);
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

static enum probe_state run_idle(struct probe *probe)
{
	peer_dial_begin(&probe->dial);
	return PROBE_DIAL;
}

static enum probe_state run_dial(struct probe *probe)
{
	switch (peer_dial_run(&probe->dial)) {
	case DIAL_WAIT:
		return PROBE_DIAL;
	case DIAL_FAILED:
		return failed(probe, probe->dial.why);
	case DIAL_DONE:
		break;
	}
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
	struct stream *stream = &probe->dial.conn->stream;
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
		ssize_t n = stream_read(&probe->dial.conn->stream, bytes, size);

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
	[PROBE_DIAL] = {run_dial, ""}, /* peer_dial_late */
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
				    (PEER_FAULTS_OF_CONNECTS | PEER_FAULT_CHECK));
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
		failed(probe, probe->state == PROBE_DIAL ? peer_dial_late(&probe->dial)
							 : steps[probe->state].late);
		clear(probe);
	} else if (is_due(probe)) {
		check_answer_init(&probe->answer, &probe->peer->check);
		buf_init(&probe->request, REQUEST_MAX_BYTES);
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

static bool has_peer(const struct snapshot *snapshot, const struct peer_state *state)
{
	unsigned n = snapshot ? snapshot_config(snapshot)->peers->n : 0;

	for (unsigned i = 0; i < n; i++)
		if (snapshot->peers[i] == state)
			return true;
	return false;
}

/* next: the snapshot whose peers are watched from then on; NULL: none are. */
static void stop(struct peer_watch *watch, const struct snapshot *next)
{
	for (unsigned i = 0; i < watch->n; i++) {
		clear(&watch->probes[i]);
		if (!has_peer(next, watch->probes[i].of))
			peer_state_list(watch->probes[i].of, false);
	}
	mem_free(watch->probes);
	watch->probes = NULL;
	watch->n = 0;
	snapshot_unref(watch->snapshot);
	watch->snapshot = NULL;
}

void peer_watch_stop(struct peer_watch *watch)
{
	stop(watch, NULL);
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

	stop(watch, snapshot);
	watch->snapshot = snapshot_ref(snapshot);
	watch->n = peers->n;
	watch->probes = mem_array(peers->n, sizeof(*watch->probes));
	for (const struct peer *peer = peers->first; peer; peer = peer->next) {
		struct probe *probe = &watch->probes[peer->index];

		probe->watch = watch;
		probe->peer = peer;
		probe->of = snapshot->peers[peer->index];
		peer_state_list(probe->of, true);
		probe->dial = (struct peer_dial){
			.worker = watch->worker,
			.snapshot = snapshot,
			.peer = peer,
			.woke = woke,
			.owner = probe,
		};
		timer_init(&probe->timer, timer_fired);
		timer_set(watch->worker->loop, &probe->timer,
			  now_ms + pause_ms(probe) * (peer->index % SPREAD) / SPREAD + 1);
	}
}

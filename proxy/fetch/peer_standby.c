/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_standby.h"

#include <stdatomic.h>

#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/fetch/peer_dial.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum {
	LOOK_MS = 100,       /* are there enough? */
	NEXT_MS = 1,         /* from one that was opened to the next */
	RETRY_MS = 2000,     /* after one that failed */
};

struct readied {
	struct peer_standby *standby;
	const struct peer *peer;
	struct peer_state *of;
	struct peer_dial dial;
	struct timer timer; /* to the next look; while it dials, until that has failed */
	bool is_dialing;
};

/* One worker's. */
struct peer_standby {
	struct worker *worker;
	struct snapshot *snapshot; /* NULL: there is nothing to do */
	struct readied *peers;
	unsigned n;
};

static struct loop *loop_of(const struct readied *readied)
{
	return readied->standby->worker->loop;
}

static const struct config *config_of(const struct readied *readied)
{
	return snapshot_config(readied->standby->snapshot);
}

static void look_in(struct readied *readied, int64_t wait_ms)
{
	timer_set(loop_of(readied), &readied->timer, loop_now_ms(loop_of(readied)) + wait_ms);
}

static bool is_wanted(const struct readied *readied)
{
	const struct peer *peer = readied->peer;
	struct peer_state *of = readied->of;

	return peer_state_is_up(of) &&
	       !atomic_load_explicit(&of->is_drained, memory_order_relaxed) &&
	       (peer->max_conn == 0 || atomic_load_explicit(&of->nconns, memory_order_relaxed) <
					       (int)peer->max_conn) &&
	       origin_pool_count(readied->standby->worker->origins, origin_key_of(of)) <
		       peer->standby;
}

static void end(struct readied *readied, int64_t pause_ms)
{
	peer_dial_end(&readied->dial);
	readied->is_dialing = false;
	look_in(readied, pause_ms);
}

static void failed(struct readied *readied, const char *why)
{
	log_say(2, "cache_peer %s standby=%u: %s", readied->of->name, readied->peer->standby, why);
	peer_state_failed(readied->of, readied->peer->connect_fail_limit, why,
			  peer_dial_was_refused(&readied->dial));
	end(readied, RETRY_MS);
}

static void succeeded(struct readied *readied)
{
	const struct config *config = config_of(readied);
	struct origin_conn *conn = readied->dial.conn;

	readied->dial.conn = NULL;
	peer_state_succeeded(readied->of, loop_now_ms(loop_of(readied)));
	origin_keep(conn, config->server_idle_pconn_timeout_ms, config->pconn_lifetime_ms);
	end(readied, NEXT_MS);
}

static void run(struct readied *readied)
{
	switch (peer_dial_run(&readied->dial)) {
	case DIAL_WAIT:
		break;
	case DIAL_FAILED:
		failed(readied, readied->dial.why);
		break;
	case DIAL_DONE:
		succeeded(readied);
		break;
	}
}

static void woke(void *owner)
{
	run(owner);
}

static int64_t patience_ms(const struct readied *readied)
{
	int64_t own_ms = readied->peer->connect_timeout_ms;

	return own_ms >= 0 ? own_ms : config_of(readied)->peer_connect_timeout_ms;
}

static void timer_fired(struct timer *timer)
{
	struct readied *readied = CONTAINER(timer, struct readied, timer);

	if (readied->is_dialing) {
		failed(readied, peer_dial_late(&readied->dial));
	} else if (is_wanted(readied)) {
		readied->is_dialing = true;
		look_in(readied, patience_ms(readied));
		peer_dial_begin(&readied->dial);
		run(readied);
	} else {
		look_in(readied, LOOK_MS);
	}
}

/* ---- whose */

struct peer_standby *peer_standby_create(struct worker *worker)
{
	struct peer_standby *standby = mem_zalloc(sizeof(*standby));

	standby->worker = worker;
	return standby;
}

void peer_standby_destroy(struct peer_standby *standby)
{
	if (!standby)
		return;
	peer_standby_stop(standby);
	mem_free(standby);
}

void peer_standby_stop(struct peer_standby *standby)
{
	for (unsigned i = 0; i < standby->n; i++) {
		peer_dial_end(&standby->peers[i].dial);
		timer_cancel(&standby->peers[i].timer);
	}
	mem_free(standby->peers);
	standby->peers = NULL;
	standby->n = 0;
	snapshot_unref(standby->snapshot);
	standby->snapshot = NULL;
}

/* Why no request could take a connection that was opened in advance; NULL: one could. */
static const char *what_forbids(const struct config *config, const struct peer *peer)
{
	if (peer->proxy_protocol != 0)
		return "with proxy-protocol= each client has connections of its own";
	if (config->outgoing_addresses)
		return "tcp_outgoing_address decides for each request where a connection begins";
	return config->server_persistent_connections ? NULL
	                                             : "server_persistent_connections is off";
}

static bool is_readied(const struct config *config, const struct peer *peer)
{
	return peer->standby > 0 && !peer->is_unusable && peer->type == PEER_PARENT &&
	       !what_forbids(config, peer);
}

static void begin(struct peer_standby *standby, const struct peer *peer)
{
	struct readied *readied = &standby->peers[standby->n++];

	readied->standby = standby;
	readied->peer = peer;
	readied->of = standby->snapshot->peers[peer->index];
	readied->dial = (struct peer_dial){
		.worker = standby->worker,
		.snapshot = standby->snapshot,
		.peer = peer,
		.counts = readied->of,
		.key = origin_key_of(readied->of),
		.woke = woke,
		.owner = readied,
	};
	timer_init(&readied->timer, timer_fired);
	look_in(readied, NEXT_MS);
}

static void say_forbidden(const struct config *config, const struct peer *peer)
{
	const char *why = peer->standby > 0 ? what_forbids(config, peer) : NULL;

	if (why)
		log_say(1, "WARNING: cache_peer %.*s: standby=%u has no effect: %s",
			STR_ARG(peer->name), peer->standby, why);
}

void peer_standby_take(struct peer_standby *standby, struct snapshot *snapshot)
{
	const struct config *config = snapshot_config(snapshot);
	const struct peer *peer;
	unsigned n = 0;

	peer_standby_stop(standby);
	for (peer = config->peers->first; peer; peer = peer->next) {
		n += is_readied(config, peer);
		if (standby->worker->index == 0)
			say_forbidden(config, peer);
	}
	if (n == 0)
		return;
	standby->snapshot = snapshot_ref(snapshot);
	standby->peers = mem_array(n, sizeof(*standby->peers));
	for (peer = config->peers->first; peer; peer = peer->next)
		if (is_readied(config, peer))
			begin(standby, peer);
}

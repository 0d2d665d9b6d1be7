/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/worker_load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy/fetch/origin_pool.h"
#include "proxy/limits/overload.h"
#include "proxy/server.h"
#include "proxy/session/session_h1.h"
#include "proxy/session/session_h2.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

enum {
	LOOK_MS = 500,
	SHED_AT_ONCE = 8,    /* connections, for each that comes */
	SHED_WAIT_MS = 200,  /* that other workers have to close some of theirs */
	SHED_FRESH_MS = 1000 /* what they closed is of use for so long */
};

static void looked(struct timer *timer)
{
	struct worker *worker = CONTAINER(timer, struct worker, load_timer);
	int64_t now_ms = loop_now_ms(worker->loop);

	if (overload_look(worker->server->overload, now_ms) && !worker->is_drained)
		timer_set(worker->loop, timer, now_ms + LOOK_MS);
}

void worker_load_init(struct worker *worker)
{
	timer_init(&worker->load_timer, looked);
	atomic_init(&worker->nfetches, 0);
}

void worker_load_stop(struct worker *worker)
{
	timer_cancel(&worker->load_timer);
}

static void sign(struct worker *worker, enum overload_kind kind, const char *why)
{
	int64_t now_ms = loop_now_ms(worker->loop);

	overload_sign(worker->server->overload, kind, now_ms, why);
	if (worker->load_timer.deadline_ms == 0)
		timer_set(worker->loop, &worker->load_timer, now_ms + LOOK_MS);
}

/* ---- fetches */

void worker_load_count_fetch(struct worker *worker, int change)
{
	unsigned n = atomic_load_explicit(&worker->nfetches, memory_order_relaxed);

	/* Relaxed: written by this thread alone; others add the workers' counts up. */
	atomic_store_explicit(&worker->nfetches, n + (unsigned)change, memory_order_relaxed);
}

static unsigned count_fetches(const struct server *server)
{
	unsigned n = 0;

	for (unsigned i = 0; i < server->nworkers; i++)
		n += atomic_load_explicit(&server->workers[i]->nfetches, memory_order_relaxed);
	return n;
}

static bool is_late(struct worker *worker, const struct config *config)
{
	int64_t delay_ms = loop_standing_delay_ms(worker->loop);
	char why[64];

	if (config->overload_delay_ms <= 0 || delay_ms < config->overload_delay_ms)
		return false;
	snprintf(why, sizeof(why), "%" PRId64 " ms", delay_ms);
	sign(worker, OVERLOAD_DELAY, why);
	return true;
}

static bool has_too_many(struct worker *worker, const struct config *config)
{
	char why[64];

	if (config->overload_requests <= 0 ||
	    count_fetches(worker->server) < (unsigned)config->overload_requests)
		return false;
	snprintf(why, sizeof(why), "overload_requests %d", config->overload_requests);
	sign(worker, OVERLOAD_REQUESTS, why);
	return true;
}

/* What idles needs no descriptor. */
static bool lacks_descriptors(struct worker *worker)
{
	return overload_is_on(worker->server->overload, OVERLOAD_DESCRIPTORS) &&
	       !origin_pool_has_idle(worker->origins);
}

bool worker_load_refuses_fetch(struct worker *worker, const struct config *config)
{
	return is_late(worker, config) || has_too_many(worker, config) ||
	       lacks_descriptors(worker) ||
	       overload_is_on(worker->server->overload, OVERLOAD_MEMORY);
}

/* ---- descriptors */

bool worker_load_shed(struct worker *worker)
{
	/* Origins' first, which no client notices. */
	if (!origin_pool_shed(worker->origins, SHED_AT_ONCE) &&
	    !session_h1_shed(worker, SHED_AT_ONCE) && !session_h2_shed(worker, SHED_AT_ONCE))
		return false;
	/* Relaxed: a time to compare with. */
	atomic_store_explicit(&worker->server->shed_ms, loop_now_ms(worker->loop),
			      memory_order_relaxed);
	return true;
}

/* Nothing is idle here: the others are asked, and given a moment. True: they have nothing
 * either. */
static bool is_nothing_idle(struct worker *worker)
{
	struct server *server = worker->server;
	int64_t now_ms = loop_now_ms(worker->loop);
	int64_t shed_ms = atomic_load_explicit(&server->shed_ms, memory_order_relaxed);

	if (now_ms - worker->shed_asked_ms > SHED_FRESH_MS) {
		worker->shed_asked_ms = now_ms;
		for (unsigned i = 0; i < server->nworkers; i++)
			if (server->workers[i] != worker)
				worker_post_shed(server->workers[i]);
		return server->nworkers == 1;
	}
	return now_ms - worker->shed_asked_ms >= SHED_WAIT_MS && now_ms - shed_ms > SHED_FRESH_MS;
}

static void make_room(struct worker *worker, const char *why)
{
	if (!worker_load_shed(worker) && is_nothing_idle(worker))
		sign(worker, OVERLOAD_DESCRIPTORS, why);
}

bool worker_load_accepted(struct worker *worker, int fd)
{
	enum overload_files files = overload_files(worker->server->overload, fd);
	char why[64];

	if (files == OVERLOAD_FILES_PLENTY)
		return false;
	snprintf(why, sizeof(why), "%d are open", fd + 1);
	make_room(worker, why);
	return files == OVERLOAD_FILES_LAST;
}

bool worker_load_is_short(struct worker *worker, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return false;
	if (error == EMFILE) {
		make_room(worker, strerror(error));
		return true;
	}
	worker_load_shed(worker);
	sign(worker, OVERLOAD_DESCRIPTORS, strerror(error));
	return true;
}

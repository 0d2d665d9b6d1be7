/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/worker.h"

#include <sched.h>
#include <string.h>

#include "lib/base/heap.h"
#include "lib/base/page_pool.h"
#include "lib/base/random.h"
#include "lib/http/date.h"
#include "lib/net/resolver.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/peer_standby.h"
#include "proxy/fetch/peer_watch.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/limits/worker_load.h"
#include "proxy/log/access_logger.h"
#include "proxy/server.h"
#include "proxy/session/clients.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h1.h"
#include "proxy/session/session_h2.h"
#include "proxy/session/session_h2_memory.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/background.h"
#include "proxy/transaction/transaction.h"
#include "proxy/store/unshared.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/log/log_facts.h"
#include "squid-compat/ports.h"

enum { READ_BYTES = 65536, STACK_BYTES = 512 * 1024, URL_MAX_BYTES = 1 << 20,
       LOG_RECORD_MAX_BYTES = 1 << 20 };

/* The processor goes to whoever else is ready to run on it: a disk's writer that would be outrun.
 * Returns at once if nobody is. */
static void give_way(struct loop_task *task)
{
	struct worker *worker = CONTAINER(task, struct worker, way_task);

	for (; worker->ways > 0; worker->ways--)
		sched_yield();
}

struct worker *worker_create(struct server *server, unsigned index, struct err_text *why)
{
	struct worker *worker = mem_zalloc(sizeof(*worker));

	worker->server = server;
	worker->index = index;
	list_init(&worker->listeners);
	list_init(&worker->sessions);
	list_init(&worker->h2_sessions);
	spares_init(&worker->transactions);
	list_init(&worker->fetches);
	spares_init(&worker->spare_fetches);
	list_init(&worker->backgrounds);
	recoders_init(&worker->recoders);
	worker->way_task.run = give_way;
	worker->loop = loop_create(READ_BYTES, why);
	if (!worker->loop) {
		mem_free(worker);
		return NULL;
	}
	tls_gate_init(&worker->tls_gate, worker->loop);
	worker->h2_pages = h2_memory_make_pool();
	buf_init(&worker->url_scratch, URL_MAX_BYTES);
	buf_init(&worker->log_scratch, LOG_RECORD_MAX_BYTES);
	buf_init(&worker->head_scratch, FETCH_MAX_HEAD_BYTES);
	worker->origins = origin_pool_create(worker);
	worker->watch = index == 0 ? peer_watch_create(worker) : NULL;
	worker->standby = peer_standby_create(worker);
	worker->unshared = unshared_create();
	worker->clients = clients_create();
	sites_init(&worker->sites, &server->site_names, random_u64());
	worker_load_init(worker);
	return worker;
}

/* ---- the snapshot */

enum { ADVANCE = 256 }; /* references taken at once */

struct snapshot *worker_ref_snapshot(struct worker *worker, struct snapshot *snapshot)
{
	if (snapshot != worker->snapshot)
		return snapshot_ref(snapshot);
	if (worker->spare_snapshot_refs == 0) {
		snapshot_ref_many(snapshot, ADVANCE);
		worker->spare_snapshot_refs = ADVANCE;
	}
	worker->spare_snapshot_refs--;
	return snapshot;
}

void worker_unref_snapshot(struct worker *worker, struct snapshot *snapshot)
{
	if (snapshot && snapshot == worker->snapshot)
		worker->spare_snapshot_refs++;
	else
		snapshot_unref(snapshot);
}

static void drop_snapshot(struct worker *worker)
{
	snapshot_unref_many(worker->snapshot, 1 + worker->spare_snapshot_refs);
	worker->snapshot = NULL;
	worker->spare_snapshot_refs = 0;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	/* Mail that came when its loop had ended: another wish to stop. */
	loop_stop(worker->loop);
	loop_run(worker->loop);
	transaction_free_spare(worker);
	fetch_free_spare(worker);
	mem_free(worker->spare_flight);
	page_pool_destroy(worker->h2_pages);
	peer_watch_destroy(worker->watch);
	peer_standby_destroy(worker->standby);
	origin_pool_destroy(worker->origins);
	buf_fini(&worker->url_scratch);
	buf_fini(&worker->log_scratch);
	buf_fini(&worker->head_scratch);
	unshared_destroy(worker->unshared);
	clients_destroy(worker->clients);
	sites_fini(&worker->sites);
	resolver_destroy(worker->resolver);
	drop_snapshot(worker);
	tls_gate_fini(&worker->tls_gate);
	loop_destroy(worker->loop);
	mem_free(worker);
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	loop_run(worker->loop);
	return NULL;
}

enum err worker_start(struct worker *worker, struct err_text *why)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(&worker->thread, &attr, run, worker);
	pthread_attr_destroy(&attr);
	if (error == 0)
		return ERR_OK;
	err_say(why, "cannot start a worker thread: %s", strerror(error));
	return ERR_IO;
}

void worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

/* ---- messages to a worker */

struct message {
	struct mail mail;
	struct worker *worker;
	void (*act)(struct message *message);
	struct snapshot *snapshot;
	int64_t wait_ms;
	char *spec;
	bool is_https, is_patient;
	int fd;
};

static void deliver(struct mail *mail)
{
	struct message *message = CONTAINER(mail, struct message, mail);

	message->act(message);
	mem_free(message->spec);
	mem_free(message);
}

static void post(struct worker *worker, const struct message *text)
{
	struct message *message = mem_dup(text, sizeof(*text));

	message->mail = (struct mail){.deliver = deliver};
	message->worker = worker;
	loop_post(worker->loop, &message->mail);
}

static void act_snapshot(struct message *message)
{
	struct worker *worker = message->worker;

	if (worker->is_stopping) {
		snapshot_unref(message->snapshot);
		return;
	}
	drop_snapshot(worker);
	worker->snapshot = message->snapshot;
	if (worker->watch)
		peer_watch_take(worker->watch, worker->snapshot);
	peer_standby_take(worker->standby, worker->snapshot);
}

void worker_post_snapshot(struct worker *worker, struct snapshot *snapshot)
{
	post(worker, &(struct message){.act = act_snapshot, .snapshot = snapshot_ref(snapshot)});
}

static void act_listen(struct message *message)
{
	listener_start(message->worker, message->spec, message->is_https, message->fd);
}

void worker_post_listener(struct worker *worker, const char *spec, bool is_https, int fd)
{
	post(worker, &(struct message){.act = act_listen,
				       .spec = mem_strdup(spec),
				       .is_https = is_https,
				       .fd = fd});
}

static void act_shed(struct message *message)
{
	worker_load_shed(message->worker);
}

void worker_post_shed(struct worker *worker)
{
	post(worker, &(struct message){.act = act_shed});
}

static void act_unlisten(struct message *message)
{
	listener_stop(message->worker, message->spec, message->is_https);
}

void worker_post_unlisten(struct worker *worker, const char *spec, bool is_https)
{
	post(worker, &(struct message){
			     .act = act_unlisten, .spec = mem_strdup(spec), .is_https = is_https});
}

/* ---- stopping */

/* At home: no worker has a request left, and what helpers are still asked is of use to nobody. */
static void act_end_helpers(struct message *message)
{
	struct worker *home = message->worker;

	snapshot_abandon_helpers(home->snapshot);
	drop_snapshot(home);
	worker_session_ended(home);
}

/* The first time that a stopping worker has nothing left to do. */
static void end_service(struct worker *worker)
{
	struct server *server = worker->server;

	worker->is_drained = true;
	recoders_stop_all(worker);
	if (worker->index != 0)
		drop_snapshot(worker);
	/* release: whoever is last sees that the others have done with their helpers */
	if (atomic_fetch_sub_explicit(&server->nserving, 1, memory_order_acq_rel) == 1)
		post(server->workers[0], &(struct message){.act = act_end_helpers});
}

void worker_session_ended(struct worker *worker)
{
	bool is_home = worker->index == 0;

	if (!worker->is_stopping || worker->nsessions > 0 || !list_is_empty(&worker->fetches))
		return;
	timer_cancel(&worker->stop_timer);
	worker_load_stop(worker);
	origin_pool_drain(worker->origins);
	if (!worker->is_drained)
		end_service(worker);
	/* Helpers answer to the home loop, and go when the last snapshot has let go of them. */
	if (!is_home || (!worker->snapshot && atomic_load_explicit(&worker->server->npools,
	                                                           memory_order_relaxed) == 0))
		loop_stop(worker->loop);
}

static void stop_waited(struct timer *timer)
{
	struct worker *worker = CONTAINER(timer, struct worker, stop_timer);

	session_h1_stop_all(worker, true);
	session_h2_stop_all(worker, NULL, true);
	background_stop_all(worker);
	fetch_stop_all(worker);
	worker_session_ended(worker);
}

static void act_stop(struct message *message)
{
	struct worker *worker = message->worker;

	listener_stop_all(worker);
	if (worker->watch)
		peer_watch_stop(worker->watch);
	peer_standby_stop(worker->standby);
	worker->is_stopping = true;
	worker->is_patient = message->is_patient;
	timer_cancel(&worker->stop_timer);
	timer_init(&worker->stop_timer, stop_waited);
	timer_set(worker->loop, &worker->stop_timer,
		  loop_now_ms(worker->loop) + message->wait_ms);
	session_h1_stop_all(worker, message->wait_ms == 0);
	session_h2_stop_all(worker, NULL, message->wait_ms == 0);
	worker_session_ended(worker);
}

void worker_post_stop(struct worker *worker, int64_t wait_ms)
{
	post(worker, &(struct message){.act = act_stop, .wait_ms = wait_ms});
}

void worker_post_drain(struct worker *worker, int64_t wait_ms)
{
	post(worker, &(struct message){.act = act_stop, .wait_ms = wait_ms, .is_patient = true});
}

/* ---- clocks */

int64_t worker_now_s(const struct worker *worker)
{
	return loop_wall_us(worker->loop) / 1000000;
}

struct str worker_date(struct worker *worker)
{
	int64_t now_s = worker_now_s(worker);

	if (now_s != worker->date_s_) {
		date_format(now_s, worker->date_text_);
		worker->date_s_ = now_s;
	}
	return str_of(worker->date_text_);
}

void worker_log_empty_connection(struct worker *worker, struct snapshot *snapshot,
				 const struct addr *client, const struct port *port)
{
	struct arena arena;
	struct acl_facts acl_facts = {.arena = &arena, .client = client};
	struct log_facts facts = {
		.start_us = loop_wall_us(worker->loop),
		.end_us = loop_wall_us(worker->loop),
		.client = client,
		.err_code = STR("ERR_CLIENT_GONE"),
		.err_detail = STR("WITH_CLIENT"),
		.has_object_bytes = true,
		.client_request = {.url = STR("error:transaction-end-before-headers")},
		.request = {.url = STR("error:transaction-end-before-headers")},
	};

	if (!access_logger_is_on(snapshot->logger))
		return;
	acl_facts.port_name = port ? port->name : STR_NONE;
	arena_init(&arena, NULL, 0);
	access_logger_write(snapshot->logger, worker, &acl_facts, &facts);
	arena_fini(&arena);
}

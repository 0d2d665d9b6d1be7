/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a fetch: its states, its ends, its timer. SELECT takes the next destination; HEAD and
 * BODY send what is left of the request's body while they read the answer. */
#include "proxy/fetch/fetch.h"

#include <errno.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/fetch/fetch_internal.h"
#include "proxy/limits/worker_load.h"
#include "proxy/server.h"
#include "squid-compat/ports.h"

static void fetch_run(struct fetch *fetch);

/* ---- ends */

void fetch_drop_conditions(struct fetch *fetch)
{
	struct fetch_order *order = &fetch->order;

	object_unref(order->stored);
	order->stored = NULL;
	while (order->nvariants > 0)
		object_unref(order->variants[--order->nvariants]);
}

static void free_for_good(struct fetch *fetch)
{
	buf_fini(&fetch->head);
	mem_free(fetch);
}

/* Some six kilobytes that the next request needs again, and a buffer for its head. */
static void put_aside(struct worker *worker, struct fetch *fetch)
{
	struct list *surplus;

	buf_shrink(&fetch->head, USUAL_HEAD_BYTES);
	spares_give(&worker->spare_fetches, &fetch->node);
	while ((surplus = spares_surplus(&worker->spare_fetches)))
		free_for_good(CONTAINER(surplus, struct fetch, node));
}

static struct fetch *spare_or_new(struct worker *worker)
{
	struct list *node = spares_take(&worker->spare_fetches);
	struct fetch *fetch;

	if (node)
		return CONTAINER(node, struct fetch, node);
	fetch = mem_alloc(sizeof(*fetch));
	buf_init(&fetch->head, REQUEST_HEAD_MAX_BYTES);
	return fetch;
}

void fetch_free_spare(struct worker *worker)
{
	struct list *node;

	while ((node = list_pop_front(&worker->spare_fetches.list)))
		free_for_good(CONTAINER(node, struct fetch, node));
}

static void fetch_free(struct fetch *fetch)
{
	struct worker *worker = fetch->order.worker;

	check(fetch->state == FETCH_ENDED && !fetch->is_running);
	if (fetch->is_resolving)
		resolver_cancel(&fetch->query);
	loop_task_cancel(&fetch->wake_task);
	loop_task_cancel(&fetch->run_task);
	timer_cancel(&fetch->timer);
	origin_close(fetch->conn);
	fetch_leave_peer(fetch);
	if (fetch->object)
		object_forget_producer(fetch->object);
	object_unref(fetch->object);
	fetch_drop_conditions(fetch);
	fetch_drop_fill(fetch);
	worker_unref_snapshot(worker, fetch->order.snapshot);
	buf_fini(&fetch->input);
	buf_fini(&fetch->trailers);
	mem_free(fetch->upload.bytes);
	buf_fini(&fetch->upload.kept);
	list_remove(&fetch->node);
	worker_load_count_fetch(worker, -1);
	put_aside(worker, fetch);
	worker_session_ended(worker);
}

/* ---- collapsed forwarding: one fetch for those who ask at the same time. An empty object stands
 * for it in the index until the head is there, and is aborted then: who waited looks again.
 * ECONNABORTED: its client left before, which says nothing of the origin. */

struct object *fetch_lead(struct worker *worker, uint64_t key, struct str cache_url, bool is_first)
{
	struct object *placeholder = object_create(worker->loop, NULL, NULL, 0);
	struct index *index = worker->server->index;

	if (is_first ? index_insert_first(index, key, cache_url, placeholder)
		     : index_insert_inflight(index, key, cache_url, placeholder))
		return placeholder;
	object_unref(placeholder);
	return NULL;
}

void fetch_end_lead(struct fetch *fetch)
{
	struct object *placeholder = fetch->order.placeholder;

	if (!placeholder)
		return;
	fetch->order.placeholder = NULL;
	index_remove(fetch->order.worker->server->index, placeholder);
	object_abort(placeholder, fetch->order.owner ? ECANCELED : ECONNABORTED);
	object_unref(placeholder);
}

void fetch_drop_fill(struct fetch *fetch)
{
	partial_unref(fetch->order.fill.partial);
	fetch->order.fill.partial = NULL;
}

/* Ends the producing side; the struct goes when its transaction lets go of it too. */
enum fetch_state fetch_finish(struct fetch *fetch)
{
	fetch->report.end_us = loop_mono_us(fetch_loop(fetch));
	fetch_end_lead(fetch);
	timer_cancel(&fetch->timer);
	origin_close(fetch->conn);
	origin_close(fetch->rival);
	fetch->conn = fetch->rival = NULL;
	fetch_leave_peer(fetch);
	return FETCH_ENDED;
}

void fetch_tell_owner(struct fetch *fetch, enum fetch_outcome outcome)
{
	fetch_end_lead(fetch);
	fetch->outcome = outcome;
	if (fetch->order.owner)
		loop_defer(fetch_loop(fetch), &fetch->wake_task);
}

static void wake_owner(struct loop_task *task)
{
	struct fetch *fetch = CONTAINER(task, struct fetch, wake_task);

	if (fetch->order.owner)
		fetch->order.woke(fetch->order.owner);
}

enum fetch_state fetch_fail(struct fetch *fetch)
{
	fetch->order.worker->counters.server_errors++;
	fetch_tell_owner(fetch, FETCH_FAILED);
	return fetch_finish(fetch);
}

enum fetch_state fetch_fail_with(struct fetch *fetch, int status, enum error_name error, int number)
{
	fetch->failure = (struct fetch_failure){status, error, number};
	return fetch_fail(fetch);
}

/* ---- the table */

static enum fetch_state run_ended(struct fetch *fetch)
{
	(void)fetch;
	return FETCH_ENDED;
}

static const struct {
	const char *name;
	enum fetch_state (*run)(struct fetch *fetch);
} steps[] = {
	[FETCH_SELECT] = {"select", fetch_run_select},
	[FETCH_QUEUE] = {"queue", fetch_run_queue},
	[FETCH_RESOLVE] = {"resolve", fetch_run_resolve},
	[FETCH_CONNECT] = {"connect", fetch_run_connect},
	[FETCH_HANDSHAKE] = {"handshake", fetch_run_handshake},
	[FETCH_SEND] = {"send", fetch_run_send},
	[FETCH_HEAD] = {"head", fetch_run_head},
	[FETCH_BODY] = {"body", fetch_run_body},
	[FETCH_ENDED] = {"ended", run_ended},
};

static void fetch_run(struct fetch *fetch)
{
	if (fetch->is_running)
		return; /* an object's wake in the midst of an append: the loop below sees it */
	fetch->is_running = true;
	for (;;) {
		enum fetch_state next = steps[fetch->state].run(fetch);

		if (next == fetch->state)
			break;
		fetch->state = next;
		if (fetch->order.tell && fetch->order.owner)
			fetch->order.tell(fetch->order.owner, steps[next].name, &fetch->report);
	}
	fetch->is_running = false;
	if (fetch->state == FETCH_ENDED && !fetch->order.owner)
		fetch_free(fetch);
}

void fetch_stream_woke(void *owner)
{
	fetch_run(owner);
}

static void run_again(struct loop_task *task)
{
	fetch_run(CONTAINER(task, struct fetch, run_task));
}

/* Squid gives up here; a request that may be sent again finds its answer elsewhere. */
static enum fetch_state unanswered(struct fetch *fetch)
{
	fetch->failure = (struct fetch_failure){504, ERROR_READ_TIMEOUT, ETIMEDOUT};
	fetch_note_unanswered(fetch, "it did not answer in time");
	if (!fetch_take_retry(fetch))
		return fetch_fail(fetch);
	fetch->addr++;
	return fetch_try_next(fetch);
}

static enum fetch_state timed_out(struct fetch *fetch)
{
	switch (fetch->state) {
	case FETCH_QUEUE:
		return fetch_turned_away(fetch);
	case FETCH_RESOLVE:
		resolver_cancel(&fetch->query);
		fetch->is_resolving = false;
		fetch->query.done = NULL;
		fetch->failure = (struct fetch_failure){504, ERROR_DNS_FAIL, ETIMEDOUT};
		return fetch_try_next(fetch);
	case FETCH_CONNECT:
		return fetch_connect_is_slow(fetch);
	case FETCH_HANDSHAKE:
		return fetch_connect_timed_out(fetch);
	case FETCH_BODY:
		if (!fetch->is_paced)
			return fetch_body_broken(fetch, ETIMEDOUT);
		object_shed(fetch->object);
		return FETCH_BODY;
	default:
		return unanswered(fetch);
	}
}

static void timer_fired(struct timer *timer)
{
	struct fetch *fetch = CONTAINER(timer, struct fetch, timer);

	fetch->state = timed_out(fetch);
	fetch_run(fetch);
}

struct fetch_order *fetch_order_create(struct worker *worker)
{
	struct fetch *fetch = spare_or_new(worker);

	memset(fetch, 0, offsetof(struct fetch, head));
	fetch->order.worker = worker;
	return &fetch->order;
}

void fetch_order_drop(struct fetch_order *order)
{
	put_aside(order->worker, CONTAINER(order, struct fetch, order));
}

struct fetch *fetch_start(struct fetch_order *order)
{
	struct fetch *fetch = CONTAINER(order, struct fetch, order);
	const struct peer_request wants = {
		.may_go_direct = order->exchange->port && order->exchange->port->may_go_direct,
		.facts = order->facts,
	};

	worker_ref_snapshot(order->worker, order->snapshot);
	if (order->stored)
		object_ref(order->stored);
	if (order->fill.partial)
		partial_ref(order->fill.partial);
	for (unsigned i = 0; i < order->nvariants; i++)
		object_ref(order->variants[i]);
	fetch->wake_task.run = wake_owner;
	fetch->run_task.run = run_again;
	timer_init(&fetch->timer, timer_fired);
	buf_init(&fetch->input, REQUEST_HEAD_MAX_BYTES);
	buf_init(&fetch->trailers, H1_MAX_TRAILER_BYTES);
	buf_init(&fetch->upload.kept, UPLOAD_KEPT_BYTES);
	fetch->failure = (struct fetch_failure){502, ERROR_READ_ERROR, 0};
	fetch->deadline_ms =
		loop_now_ms(fetch_loop(fetch)) + fetch_config(fetch)->forward_timeout_ms;
	peer_selection_begin(&fetch->selection, order->worker, order->snapshot, &wants);
	list_push_back(&order->worker->fetches, &fetch->node);
	worker_load_count_fetch(order->worker, 1);
	fetch_run(fetch);
	return fetch;
}

void fetch_stop_all(struct worker *worker)
{
	LIST_EACH_SAFE(node, &worker->fetches) {
		struct fetch *fetch = CONTAINER(node, struct fetch, node);

		if (fetch->order.owner)
			continue;
		fetch->state = fetch_body_broken(fetch, ECANCELED);
		fetch_free(fetch);
	}
}

enum fetch_outcome fetch_outcome(const struct fetch *fetch)
{
	return fetch->outcome;
}

struct object *fetch_object(const struct fetch *fetch)
{
	return fetch->object;
}

void fetch_take_switched(struct fetch *fetch, struct fetch_switched *out)
{
	check(fetch->outcome == FETCH_SWITCHED && fetch->conn);
	*out = (struct fetch_switched){fetch->conn, buf_str(&fetch->head), buf_str(&fetch->input)};
	fetch->conn->entered = fetch->entered;
	fetch->entered = NULL;
	fetch->conn = NULL;
}

const struct fetch_failure *fetch_failure(const struct fetch *fetch)
{
	return &fetch->failure;
}

const struct fetch_report *fetch_report(const struct fetch *fetch)
{
	return &fetch->report;
}

void fetch_release_body(struct fetch *fetch)
{
	object_reader_close(&fetch->first);
}

void fetch_body_wake(struct fetch *fetch)
{
	if (fetch_has_upload(fetch) && fetch->conn &&
	    (fetch->state == FETCH_HEAD || fetch->state == FETCH_BODY))
		fetch_run(fetch);
}

void fetch_detach(struct fetch *fetch)
{
	bool is_uploading;

	if (!fetch)
		return;
	check(!fetch->is_running);
	is_uploading = fetch_has_upload(fetch);
	loop_task_cancel(&fetch->wake_task);
	object_reader_close(&fetch->first);
	fetch->order.owner = NULL;
	if (fetch->state != FETCH_ENDED && (fetch->outcome == FETCH_PENDING || is_uploading)) {
		if (fetch->is_producing)
			fetch_store_abort(&fetch->storing, &fetch->order, fetch->object, ECANCELED);
		fetch->is_producing = false;
		fetch->state = fetch_finish(fetch);
	}
	if (fetch->state == FETCH_ENDED) {
		fetch_free(fetch);
		return;
	}
	fetch->order.exchange = NULL;
	fetch->order.url = fetch->order.cache_url = STR_NONE;
	loop_defer(fetch_loop(fetch), &fetch->run_task); /* is anybody reading? */
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/purger.h"

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/server.h"
#include "proxy/store/stale_mark.h"

enum { SLICE_MS = 2 };

struct purger {
	struct server *server;
	struct loop *loop;
	struct purge *purge;
	char *who, *what;
	void (*done)(void *owner, const struct purger_count *count); /* NULL: nobody waits */
	void *owner;
	struct loop_task task;
	int64_t started_us;
	uint64_t cursor, nmemory, since;
	unsigned ndisks_left;
	bool has_asked_disks;
	bool is_cut;
	struct disk_purge disks[SERVER_MAX_DISKS];
};

/* ---- one object in memory */

static bool is_meant(const struct purger *purger, const struct object *object)
{
	/* Without a head its tags are not known: who publishes it compares (cache/purge.h). */
	struct str head = object_state(object) == OBJECT_EMPTY ? STR_NONE : object->head;

	return purge_matches(purger->purge, object->url, head);
}

static void take(struct purger *purger, struct object *object)
{
	bool is_soft = purger->purge->is_soft;

	/* What is on its way is marked when it is put in (cache/purge.h). */
	if (!is_meant(purger, object) || (is_soft && object_state(object) < OBJECT_COMPLETE))
		return;
	purger->nmemory += !purger->has_asked_disks; /* what comes later counts there */
	if (purger->purge->is_dry)
		return;
	if (is_soft && object_is_whole(object))
		object_unref(stale_mark(purger->server, object));
	else
		index_remove(purger->server->index, object);
}

/* Responses that are not whole are few: all in one go, and out, also where whole ones become
 * stale. */
static void take_parts(struct purger *purger)
{
	struct partial_table *table = purger->server->parts;
	size_t n;
	struct partial **all = partial_table_list(table, &n);

	for (size_t i = 0; i < n; i++) {
		if (is_meant(purger, all[i]->about)) {
			purger->nmemory += !purger->has_asked_disks;
			if (!purger->purge->is_dry)
				partial_table_remove(table, all[i]);
		}
		partial_unref(all[i]);
	}
	mem_free(all);
}

/* ---- the walk */

static void finish(struct purger *purger)
{
	struct purger_count count;

	purger_look(purger, &count);
	if (purger->done)
		purger->done(purger->owner, &count);
	purge_unref(purger->purge);
	mem_free(purger->who);
	mem_free(purger->what);
	mem_free(purger);
}

/* Some hundred objects; false: all were seen. */
static bool walk_stretch(struct purger *purger)
{
	struct object *objects[INDEX_VISIT];
	unsigned n = index_visit(purger->server->index, &purger->cursor, objects, INDEX_VISIT);

	for (unsigned i = 0; i < n; i++) {
		take(purger, objects[i]);
		object_unref(objects[i]);
	}
	return purger->cursor != 0;
}

static void start_disks(struct purger *purger);

static void run(struct loop_task *task)
{
	struct purger *purger = CONTAINER(task, struct purger, task);
	int64_t end_ms = clock_mono_ms() + SLICE_MS;

	while (walk_stretch(purger))
		if (clock_mono_ms() >= end_ms) {
			loop_defer(purger->loop, &purger->task);
			return;
		}
	take_parts(purger);
	if (purger->server->ndisks > 0 && !purger->has_asked_disks)
		start_disks(purger);
	else
		finish(purger);
}

/* The rows are gone. What was read from one of them just before is not to come into memory behind
 * the walk: it stands on the list once more. */
static void walk_again(struct purger *purger)
{
	if (purger->purge->is_dry) {
		finish(purger);
		return;
	}
	purge_list_add(purger->server->purges, purger->purge);
	loop_defer(purger->loop, &purger->task);
}

static void disk_done(struct disk_purge *job)
{
	struct purger *purger = job->owner;

	purger->is_cut = purger->is_cut || job->is_cut;
	if (--purger->ndisks_left == 0)
		walk_again(purger);
}

static void start_disks(struct purger *purger)
{
	struct server *server = purger->server;
	uint64_t key = purger->purge->kind == PURGE_URL
			       ? index_key(server->index, purger->purge->text)
			       : 0;

	purger->has_asked_disks = true;
	purger->ndisks_left = server->ndisks;
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk_purge *job = &purger->disks[i];

		job->purge = purger->purge;
		job->who = purger->who;
		job->what = purger->what;
		job->key = key;
		job->since = purger->since;
		job->loop = purger->loop;
		job->done = disk_done;
		job->owner = purger;
		disk_purge(server->disks[i], job);
	}
}

struct purger *purger_start(struct server *server, struct loop *loop,
			    const struct purger_order *order)
{
	struct purger *purger = mem_zalloc(sizeof(*purger));

	purger->server = server;
	purger->loop = loop;
	purger->purge = purge_ref(order->purge);
	purger->who = mem_strdup(order->who);
	purger->what = mem_strdup(order->what);
	purger->done = order->done;
	purger->owner = order->owner;
	purger->task.run = run;
	purger->started_us = clock_mono_us();
	purger->since = purge_list_now(server->purges);
	if (!order->purge->is_dry)
		purge_list_add(server->purges, order->purge);
	loop_defer(loop, &purger->task);
	return purger;
}

void purger_look(const struct purger *purger, struct purger_count *out)
{
	*out = (struct purger_count){
		.memory = purger->nmemory,
		.took_ms = (clock_mono_us() - purger->started_us) / 1000,
		.is_cut = purger->is_cut,
	};
	for (unsigned i = 0; i < purger->server->ndisks; i++) {
		const struct disk_purge *job = &purger->disks[i];

		out->disk += atomic_load_explicit(&job->nmatched, memory_order_relaxed);
		out->seen += atomic_load_explicit(&job->nseen, memory_order_relaxed);
		out->total += atomic_load_explicit(&job->ntotal, memory_order_relaxed);
		out->is_waiting = out->is_waiting ||
				  atomic_load_explicit(&job->is_waiting, memory_order_relaxed);
	}
}

void purger_leave(struct purger *purger)
{
	if (purger)
		purger->done = NULL;
}

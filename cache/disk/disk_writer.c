/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's thread, its queue and its transactions. */
#include "cache/disk/disk_writer.h"

#include "cache/disk/disk_budget.h"
#include "cache/disk/disk_reader.h"
#include "cache/disk/disk_writer_internal.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/loop_thread.h"

#include <unistd.h>

struct disk_item *disk_item_create(enum disk_item_kind kind, size_t nbytes)
{
	struct disk_item *item = mem_alloc(sizeof(*item) + nbytes);

	*item = (struct disk_item){.kind = kind, .len = nbytes};
	list_init(&item->node);
	return item;
}

/* ---- batches */

static void settle_all(struct disk_writer *writer, bool committed)
{
	struct list *node;

	while ((node = list_pop_front(&writer->done)))
		item_settle(writer, CONTAINER(node, struct disk_item, node), committed);
}

static struct disk_item *front(struct disk_writer *writer)
{
	return CONTAINER(writer->queue.next, struct disk_item, node);
}

static struct disk_item *take_front(struct disk_writer *writer)
{
	struct disk_item *item = front(writer);

	list_remove(&item->node);
	writer->nqueued--;
	writer->queue_bytes -= item->len;
	return item;
}

static void put_front(struct disk_writer *writer, struct disk_item *item)
{
	list_push_front(&writer->queue, &item->node);
	writer->nqueued++;
	writer->queue_bytes += item->len;
}

/* The transaction is void: what lasts goes back to the queue in its order, the rest is dropped, the
 * item that failed too. Nothing was done yet when only the beginning had to wait. */
static void fail_batch(struct disk_writer *writer, int code)
{
	struct disk_item *failed = NULL;

	if (!list_is_empty(&writer->queue) && !item_is_lasting(front(writer)))
		failed = take_front(writer);
	writer->id_limit = writer->id_limit_committed;
	while (!list_is_empty(&writer->done)) {
		struct disk_item *item = CONTAINER(writer->done.prev, struct disk_item, node);

		list_remove(&item->node);
		if (item_is_lasting(item))
			put_front(writer, item);
		else
			item_settle(writer, item, false);
	}
	if (failed)
		item_settle(writer, failed, false);
	writer_settle_removals(writer, false);
	writer_fault(writer, code);
}

static int run_items(struct disk_writer *writer)
{
	writer->batch_bytes = 0;
	writer->batch_objects = 0;
	while (!list_is_empty(&writer->queue) && writer->batch_bytes < BATCH_BYTES &&
	       writer->batch_objects < BATCH_OBJECTS) {
		bool more = false;
		int rc = item_run(writer, front(writer), &more);

		if (rc != SQLITE_OK)
			return rc;
		if (more)
			break;
		list_push_back(&writer->done, &take_front(writer)->node);
	}
	return SQLITE_OK;
}

static void run_batch(struct disk_writer *writer)
{
	int rc;

	timer_cancel(&writer->batch_timer);
	if (list_is_empty(&writer->queue) || !writer_may_write(writer) ||
	    upkeep_log_is_full(writer))
		return;
	rc = rows_begin(&writer->rows);
	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	rc = run_items(writer);
	if (rc == SQLITE_OK)
		rc = evict_for_batch(writer);
	if (rc == SQLITE_OK)
		rc = budget_save(writer);
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	if (rc != SQLITE_OK) {
		fail_batch(writer, rc);
		return;
	}
	writer->id_limit_committed = writer->id_limit;
	disk_count(writer->disk, COUNT_COMMITS, 1);
	writer_settle_removals(writer, true);
	settle_all(writer, true);
	writer_is_well(writer);
	upkeep_after_commit(writer);
	if (!list_is_empty(&writer->queue))
		loop_defer(writer->loop, &writer->batch_task);
}

void writer_drop_stores(struct disk_writer *writer)
{
	if (writer->busy_since_ms != 0)
		return; /* a lock is let go of some time */
	LIST_EACH_SAFE(node, &writer->queue) {
		struct disk_item *item = CONTAINER(node, struct disk_item, node);

		if (item_is_lasting(item))
			continue;
		list_remove(&item->node);
		writer->nqueued--;
		writer->queue_bytes -= item->len;
		item_settle(writer, item, false);
	}
}

static void on_batch_task(struct loop_task *task)
{
	run_batch(CONTAINER(task, struct disk_writer, batch_task));
}

static void on_batch_timer(struct timer *timer)
{
	run_batch(CONTAINER(timer, struct disk_writer, batch_timer));
}

static void set_tick(struct disk_writer *writer)
{
	int64_t wait_ms = TICK_MS;

	if (atomic_load_explicit(&writer->disk->is_borrowed, memory_order_relaxed) &&
	    writer->nquick < MAX_QUICK) {
		writer->nquick++;
		wait_ms = QUICK_TICK_MS;
	}
	timer_set(writer->loop, &writer->tick, loop_now_ms(writer->loop) + wait_ms);
}

static void on_tick(struct timer *timer)
{
	struct disk_writer *writer = CONTAINER(timer, struct disk_writer, tick);

	upkeep_tick(writer);
	set_tick(writer);
}

static void on_purge_task(struct loop_task *task)
{
	purge_slice(CONTAINER(task, struct disk_writer, purge_task));
}

static void on_load_task(struct loop_task *task)
{
	upkeep_load(CONTAINER(task, struct disk_writer, load_task));
}

/* ---- mail */

/* Removals are not kept waiting, nor who waits for a large body (proxy/store/lingering.h). */
static bool is_urgent(const struct disk_item *item)
{
	return item_is_lasting(item) ||
	       (item->kind == ITEM_END && object_length(item->store->object) >= BATCH_READY_BYTES);
}

/* A batch is worth its commit when it is large. */
static void enqueue(struct disk_writer *writer, struct disk_item *item)
{
	uint64_t waiting = atomic_load_explicit(&writer->disk->queued_bytes, memory_order_relaxed);

	if (waiting > writer->peak_bytes)
		writer->peak_bytes = waiting;
	list_push_back(&writer->queue, &item->node);
	writer->nqueued++;
	writer->queue_bytes += item->len;
	if (is_urgent(item) || writer->nqueued >= BATCH_OBJECTS ||
	    writer->queue_bytes >= BATCH_READY_BYTES)
		loop_defer(writer->loop, &writer->batch_task);
	else if (writer->batch_timer.deadline_ms == 0)
		timer_set(writer->loop, &writer->batch_timer,
			  loop_now_ms(writer->loop) + writer->disk->config.batch_wait_ms);
}

/* Writes what is left, for some seconds at most, and drops the rest. */
static void write_the_rest(struct disk_writer *writer)
{
	enum { PATIENCE_MS = 5000, NAP_US = 20000 };
	int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;

	if (writer->is_done)
		return;
	writer->is_stopping = writer->is_done = true;
	disk_checkpoint_stop(writer->checkpoint);
	while (!list_is_empty(&writer->queue) && disk_state(writer->disk) == DISK_NORMAL &&
	       clock_mono_ms() < deadline_ms) {
		uint64_t commits = writer->disk->counts[COUNT_COMMITS];

		writer->retry_ms = 0;
		run_batch(writer);
		if (commits == writer->disk->counts[COUNT_COMMITS])
			usleep(NAP_US); /* somebody else holds the file */
	}
	if (disk_state(writer->disk) == DISK_NORMAL)
		upkeep_flush_hits(writer);
	while (!list_is_empty(&writer->queue))
		item_settle(writer, take_front(writer), false);
	loop_task_cancel(&writer->batch_task);
	loop_task_cancel(&writer->load_task);
	purge_cut_all(writer);
	timer_cancel(&writer->batch_timer);
	timer_cancel(&writer->tick);
	rows_close(&writer->rows);
}

static void finish(struct disk_writer *writer)
{
	write_the_rest(writer);
	while (!list_is_empty(&writer->queue))
		item_settle(writer, take_front(writer), false);
	purge_cut_all(writer);
	loop_task_cancel(&writer->batch_task);
	timer_cancel(&writer->batch_timer);
	loop_stop(writer->loop);
}

/* What is being sent is not to change under who reads it. */
static void hold_readers(struct disk *disk)
{
	enum { PATIENCE_MS = 2000, NAP_US = 1000 };
	int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;

	for (int i = 0; i < DISK_NREADERS; i++)
		disk_reader_hold(disk->readers[i]);
	while (atomic_load_explicit(&disk->nholding, memory_order_acquire) < DISK_NREADERS &&
	       clock_mono_ms() < deadline_ms)
		usleep(NAP_US);
}

static void hand_over(struct disk_writer *writer)
{
	if (writer->is_done)
		return;
	write_the_rest(writer);
	writer_leave(writer, "another process goes on with it");
	hold_readers(writer->disk);
	disk_drop_lock(writer->disk);
}

static void on_mail(struct mail *mail)
{
	struct disk_item *item = CONTAINER(mail, struct disk_item, mail);
	struct disk_writer *writer = item->writer;

	switch (item->kind) {
	case ITEM_STOP:
		mem_free(item);
		finish(writer);
		return;
	case ITEM_HAND_OVER:
		mem_free(item);
		hand_over(writer);
		return;
	case ITEM_FAULT:
		/* Of a file that has been replaced meanwhile it says nothing of interest. */
		if (writer->rows.db && item->generation ==
		    atomic_load_explicit(&writer->disk->generation, memory_order_relaxed))
			writer_fault(writer, item->code);
		mem_free(item);
		return;
	default:
		enqueue(writer, item);
	}
}

void disk_writer_post(struct disk_writer *writer, struct disk_item *item)
{
	item->writer = writer;
	item->mail.deliver = on_mail;
	loop_post(writer->loop, &item->mail);
}

/* ---- start and stop */

static void writer_destroy(struct disk_writer *writer)
{
	disk_checkpoint_destroy(writer->checkpoint);
	rows_close(&writer->rows);
	loop_destroy(writer->loop);
	mem_free(writer->doomed.at);
	mem_free(writer->removals);
	mem_free(writer);
}

static struct disk_writer *writer_create(struct disk *disk)
{
	struct disk_writer *writer = mem_zalloc(sizeof(*writer));

	writer->disk = disk;
	list_init(&writer->queue);
	list_init(&writer->done);
	list_init(&writer->stores);
	list_init(&writer->batch_task.node_);
	list_init(&writer->load_task.node_);
	writer->batch_task.run = on_batch_task;
	writer->load_task.run = on_load_task;
	list_init(&writer->purges);
	list_init(&writer->purge_task.node_);
	writer->purge_task.run = on_purge_task;
	timer_init(&writer->batch_timer, on_batch_timer);
	timer_init(&writer->tick, on_tick);
	return writer;
}

/* Damage that shows only now costs the file, as it does later. */
static bool adopt_or_replace(struct disk_writer *writer, sqlite3 *db, struct err_text *why)
{
	struct disk *disk = writer->disk;
	int rc = writer_take_seed(writer, db);

	if (rc != SQLITE_OK)
		sqlite3_close(db);
	else
		rc = writer_adopt(writer, db);
	if (rc != SQLITE_OK && writer_is_damage(rc)) {
		log_say(1, "Disk cache %s is damaged (%s): setting it aside, starting an empty one",
			disk->path, sqlite3_errstr(rc));
		disk_set_aside(disk->path);
		if (disk_open_database(disk->path, disk->config.max_bytes, disk->seed, &db, why) !=
		    ERR_OK)
			return false;
		rc = writer_adopt(writer, db);
	}
	if (rc != SQLITE_OK)
		err_say(why, "%s: %s", disk->path, sqlite3_errstr(rc));
	return rc == SQLITE_OK;
}

enum err disk_writer_start(struct disk *disk, sqlite3 *db, struct disk_writer **out,
			   struct err_text *why)
{
	enum { READ_BYTES = 4096 }; /* the loop wants a buffer; nothing is read here */
	struct disk_writer *writer = writer_create(disk);
	enum err err = ERR_DISK;

	if (db && !adopt_or_replace(writer, db, why))
		goto fail;
	writer->loop = loop_create(READ_BYTES, why);
	if (!writer->loop)
		goto fail;
	if (writer->rows.db)
		upkeep_start(writer);
	set_tick(writer);
	err = disk_checkpoint_start(disk, writer->loop, upkeep_after_checkpoint, writer,
				    &writer->checkpoint, why);
	if (err == ERR_OK &&
	    !loop_thread_start(&writer->thread, "disk-writer", writer->loop, why))
		err = ERR_DISK;
	if (err != ERR_OK) {
		loop_task_cancel(&writer->load_task);
		timer_cancel(&writer->tick);
		goto fail;
	}
	writer->is_started = true;
	*out = writer;
	return ERR_OK;
fail:
	writer_destroy(writer);
	return err;
}

void disk_writer_stop(struct disk_writer *writer)
{
	if (!writer)
		return;
	disk_writer_post(writer, disk_item_create(ITEM_STOP, 0));
	pthread_join(writer->thread, NULL);
	writer_destroy(writer);
}

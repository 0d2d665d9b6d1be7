/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_reader.h"

#include "cache/disk/disk_peek.h"
#include "cache/disk/disk_stream.h"
#include "cache/disk/disk_writer.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/loop_thread.h"

enum {
	SLICE_MS = 20,
	TICK_MS = 1000,
	IDLE_MS = 10000, /* then the connection's memory goes */
};

/* The thread's own. */
struct disk_reader {
	struct disk *disk;
	struct loop *loop;
	pthread_t thread;
	struct disk_source source;
	struct disk_peek *peek; /* the door that this one opened */
	unsigned generation; /* of the file that source has open */
	struct list jobs, streams;
	struct loop_task task;
	struct timer tick;
	int64_t used_ms;
	int64_t retry_ms; /* when the file could not be opened */
	atomic_bool is_stalled; /* relaxed; set by who waits for it, cleared here */
	int64_t door_ms;  /* when the door was no use, or cannot be opened */
	bool is_holding; /* another process writes: streams see the file as it was */
	struct mail hold, stop;
};

/* ---- answers */

static void deliver_answer(struct mail *mail)
{
	struct disk_job *job = CONTAINER(mail, struct disk_job, mail);
	struct disk_query *query;

	lock_take(&job->shared.lock);
	query = job->shared.query;
	lock_drop(&job->shared.lock);
	if (query) {
		query->job_ = NULL;
		query->nhits = job->nhits;
		query->done(query, job->object);
	} else {
		object_unref(job->object);
	}
	lock_fini(&job->shared.lock);
	mem_free(job);
}

/* Gives the answer to the asking thread, which frees the job. */
static void give_answer(struct disk_job *job)
{
	job->mail.deliver = deliver_answer;
	loop_post(job->loop, &job->mail);
}

static bool is_cancelled(struct disk_job *job)
{
	bool cancelled;

	lock_take(&job->shared.lock);
	cancelled = !job->shared.query;
	lock_drop(&job->shared.lock);
	return cancelled;
}

/* Under the lock, since what the query borrows may go with a cancel. */
static bool suits(struct disk_job *job, const struct disk_row *row, uint64_t id)
{
	struct disk_query *query;
	bool does;

	lock_take(&job->shared.lock);
	query = job->shared.query;
	does = query && disk_row_suits(row, id, query);
	lock_drop(&job->shared.lock);
	return does;
}

/* ---- the file */

static void on_fault(void *owner, int code)
{
	struct disk_reader *reader = owner;
	struct disk_item *item;

	disk_count(reader->disk, COUNT_FAULTS, 1);
	if ((code & 0xff) == SQLITE_BUSY)
		return; /* it passes */
	reader->retry_ms = loop_now_ms(reader->loop) + TICK_MS;
	item = disk_item_create(ITEM_FAULT, 0);
	item->code = code;
	item->generation = reader->generation;
	disk_writer_post(reader->disk->writer, item);
}

static void end_streams(struct disk_reader *reader)
{
	LIST_EACH_SAFE(node, &reader->streams)
		disk_stream_destroy(CONTAINER(node, struct disk_stream, node));
}

static void close_source(struct disk_reader *reader)
{
	end_streams(reader);
	disk_door_close(reader->disk, reader->peek);
	reader->peek = NULL;
	disk_source_close(&reader->source);
}

/* The asking threads see the file by this one's connection. */
static void mind_door(struct disk_reader *reader)
{
	if (reader->peek && !disk_door_refresh(reader->peek)) {
		disk_door_close(reader->disk, reader->peek);
		reader->peek = NULL;
		reader->door_ms = loop_now_ms(reader->loop) + TICK_MS;
	}
	if (reader->peek || !reader->source.db || loop_now_ms(reader->loop) < reader->door_ms)
		return;
	reader->peek = disk_door_open(reader->disk, reader->source.db, reader->generation);
	if (!reader->peek)
		reader->door_ms = loop_now_ms(reader->loop) + TICK_MS;
}

/* The connection is opened at first use, and again when the writer has opened another file. */
static bool open_source(struct disk_reader *reader)
{
	struct disk *disk = reader->disk;
	/* Pairs with the writer's release when it opened the file. */
	unsigned generation = atomic_load_explicit(&disk->generation, memory_order_acquire);
	int rc;

	if (reader->source.db && reader->generation == generation)
		return true;
	if (disk_state(disk) == DISK_OFF || loop_now_ms(reader->loop) < reader->retry_ms)
		return false;
	close_source(reader);
	reader->generation = generation;
	rc = disk_source_open(&reader->source, disk->path);
	if (rc != SQLITE_OK) {
		on_fault(reader, rc);
		return false;
	}
	return true;
}

/* ---- the file as it was, when another process may take away what streams have still to read */

static bool has_snapshot(const struct disk_reader *reader)
{
	return reader->source.db && !sqlite3_get_autocommit(reader->source.db);
}

/* Before something is looked up that may become a stream. */
static void take_snapshot(struct disk_reader *reader)
{
	if (reader->is_holding && reader->source.db && !has_snapshot(reader))
		schema_run(reader->source.db, "BEGIN; SELECT count(*) FROM sqlite_schema");
}

/* It keeps SQLite's log from being written back. */
static void drop_snapshot(struct disk_reader *reader)
{
	if (reader->is_holding && list_is_empty(&reader->streams) && has_snapshot(reader))
		schema_run(reader->source.db, "COMMIT");
}

static void deliver_hold(struct mail *mail)
{
	struct disk_reader *reader = CONTAINER(mail, struct disk_reader, hold);

	reader->is_holding = true;
	if (!list_is_empty(&reader->streams))
		take_snapshot(reader);
	/* Pairs with who waits for it. */
	atomic_fetch_add_explicit(&reader->disk->nholding, 1, memory_order_release);
}

void disk_reader_hold(struct disk_reader *reader)
{
	loop_post(reader->loop, &reader->hold);
}

/* ---- one question */

static unsigned find_ids(struct disk_reader *reader, struct disk_job *job, uint64_t *ids)
{
	struct disk *disk = reader->disk;
	sqlite3_stmt *stmt = reader->source.by_key;
	unsigned n = 0;
	int rc;

	/* Pairs with the writer's release after the last entry. */
	if (!atomic_load_explicit(&disk->is_loading, memory_order_acquire))
		return disk_index_find(disk->index, job->key, ids, DISK_MAX_VARIANTS);
	if (disk_is_doubted(disk, job->key, 0))
		return 0;
	sqlite3_bind_int64(stmt, 1, (int64_t)job->key);
	sqlite3_bind_int64(stmt, 2, DISK_MAX_VARIANTS);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n < DISK_MAX_VARIANTS)
		ids[n++] = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		on_fault(reader, rc);
	return n;
}

static void drop_bad(struct disk_reader *reader, struct disk_job *job, uint64_t id)
{
	int level = disk_count_fault(reader->disk, COUNT_BAD_PIECES);

	log_say(level, "Disk cache %s: object %llu is damaged: dropped", reader->disk->path,
		(unsigned long long)id);
	disk_remove(reader->disk, job->key, id);
}

/* The row suits the question. */
static void make_object(struct disk_reader *reader, struct disk_job *job, struct disk_row *row,
			uint64_t id)
{
	uint64_t size = (uint64_t)row->head.body_bytes;
	bool needs_piece = size <= DISK_PIECE_BYTES || !job->is_lazy;
	struct disk_stream *stream;

	/* A stream lasts, and who has the file may take its pieces away. */
	if (size > DISK_PIECE_BYTES &&
	    atomic_load_explicit(&reader->disk->is_borrowed, memory_order_relaxed))
		return;
	if (needs_piece && !disk_row_read_piece(&reader->source, row)) {
		drop_bad(reader, job, id);
		return;
	}
	if (size <= DISK_PIECE_BYTES) {
		job->object = object_create_whole(&row->head, row->piece);
		atomic_store_explicit(&job->object->disk_id, disk_tag(reader->disk, id),
				      memory_order_relaxed);
	} else {
		stream = disk_stream_create(&(struct disk_stream_config){
			.disk = reader->disk,
			.source = &reader->source,
			.loop = reader->loop,
			.row = row,
			.id = id,
			.key = job->key,
			.keep = size <= job->keep_bytes,
			.fault = on_fault,
			.owner = reader,
		});
		list_push_back(&reader->streams, &stream->node);
		job->object = object_ref(stream->object);
	}
	if (job->is_for_variant)
		return;
	job->nhits = disk_index_hit(reader->disk->index, job->key, id, 1);
	disk_count(reader->disk, COUNT_HITS, 1);
}

/* As disk_row_read. A transaction that has begun may not see what the index knows already: without
 * one the row is there, or gone. */
static enum disk_row_verdict read_row(struct disk_reader *reader, struct disk_job *job, uint64_t id,
				      struct disk_row *row, int *code)
{
	enum disk_row_verdict verdict = disk_row_read(&reader->source, id, job->is_lazy, row, code);

	if (verdict != DISK_ROW_NONE || reader->is_holding || !has_snapshot(reader))
		return verdict;
	sqlite3_reset(reader->source.row);
	schema_run(reader->source.db, "COMMIT");
	return disk_row_read(&reader->source, id, job->is_lazy, row, code);
}

/* True: the search is over. */
static bool try_id(struct disk_reader *reader, struct disk_job *job, uint64_t id)
{
	struct disk *disk = reader->disk;
	struct object *renewed = disk_renewal_find(disk, id);
	struct disk_pin pin;
	struct disk_row row;
	int code = 0;

	disk_pin(disk, &pin, id);
	switch (read_row(reader, job, id, &row, &code)) {
	case DISK_ROW_NONE:
		if (!has_snapshot(reader))
			disk_index_remove(disk->index, job->key, id);
		break;
	case DISK_ROW_BAD:
		drop_bad(reader, job, id);
		break;
	case DISK_ROW_FAULT:
		on_fault(reader, code);
		break;
	case DISK_ROW_FOUND:
		disk_renewal_apply(renewed, &row.head);
		if (suits(job, &row, disk_tag(disk, id)) &&
		    !disk_is_purged(disk, row.url, row.head.head))
			make_object(reader, job, &row, id);
		break;
	}
	sqlite3_reset(reader->source.row);
	disk_unpin(disk, &pin);
	object_unref(renewed);
	return job->object || code != 0;
}

static void answer(struct disk_reader *reader, struct disk_job *job)
{
	uint64_t ids[DISK_MAX_VARIANTS];
	unsigned n;

	disk_count(reader->disk, COUNT_LOOKUPS, job->is_for_variant ? 0 : 1);
	if (open_source(reader) && !is_cancelled(job)) {
		n = find_ids(reader, job, ids);
		for (unsigned i = 0; i < n; i++)
			if (try_id(reader, job, ids[i]))
				break;
	}
	give_answer(job);
}

/* ---- a device that hangs */

bool disk_reader_is_stalled(struct disk_reader *reader)
{
	return atomic_load_explicit(&reader->is_stalled, memory_order_relaxed);
}

void disk_reader_note_stall(struct disk_reader *reader)
{
	struct disk *disk = reader->disk;

	if (!atomic_exchange_explicit(&reader->is_stalled, true, memory_order_relaxed) &&
	    atomic_fetch_add_explicit(&disk->nstalled, 1, memory_order_relaxed) + 1 ==
	            DISK_NREADERS)
		log_say(1, "Disk cache %s does not answer: hits are fetched for now", disk->path);
}

static void end_stall(struct disk_reader *reader)
{
	struct disk *disk = reader->disk;

	if (atomic_exchange_explicit(&reader->is_stalled, false, memory_order_relaxed) &&
	    atomic_fetch_sub_explicit(&disk->nstalled, 1, memory_order_relaxed) == DISK_NREADERS)
		log_say(1, "Disk cache %s answers again", disk->path);
}

/* ---- the queue */

static void run(struct loop_task *task)
{
	struct disk_reader *reader = CONTAINER(task, struct disk_reader, task);
	int64_t end_ms = clock_mono_ms() + SLICE_MS;
	bool is_batch = !reader->is_holding && reader->jobs.next != reader->jobs.prev &&
			open_source(reader) && schema_run(reader->source.db, "BEGIN") == SQLITE_OK;
	struct list *node;

	if (!list_is_empty(&reader->jobs) && open_source(reader))
		take_snapshot(reader);

	reader->used_ms = loop_now_ms(reader->loop);
	while (clock_mono_ms() <= end_ms && (node = list_pop_front(&reader->jobs)))
		answer(reader, CONTAINER(node, struct disk_job, node));
	if (disk_reader_is_stalled(reader))
		end_stall(reader);
	if (is_batch && has_snapshot(reader))
		schema_run(reader->source.db, "COMMIT");
	drop_snapshot(reader);
	mind_door(reader);
	if (!list_is_empty(&reader->jobs))
		loop_defer(reader->loop, &reader->task);
}

static void deliver_job(struct mail *mail)
{
	struct disk_job *job = CONTAINER(mail, struct disk_job, mail);
	struct disk_reader *reader = job->reader;

	list_push_back(&reader->jobs, &job->node);
	loop_defer(reader->loop, &reader->task);
	if (reader->tick.deadline_ms == 0)
		timer_set(reader->loop, &reader->tick, loop_now_ms(reader->loop) + TICK_MS);
}

void disk_reader_post(struct disk_reader *reader, struct disk_job *job)
{
	job->reader = reader;
	job->mail.deliver = deliver_job;
	loop_post(reader->loop, &job->mail);
}

/* Runs on while there is something to watch; an idle reader sleeps, with little memory. */
static void on_tick(struct timer *timer)
{
	struct disk_reader *reader = CONTAINER(timer, struct disk_reader, tick);

	end_stall(reader); /* who waited may have been the slow one */
	LIST_EACH_SAFE(node, &reader->streams)
		disk_stream_tick(CONTAINER(node, struct disk_stream, node));
	drop_snapshot(reader);
	if (list_is_empty(&reader->streams) &&
	    loop_now_ms(reader->loop) - reader->used_ms > IDLE_MS) {
		if (reader->source.db)
			sqlite3_db_release_memory(reader->source.db);
		return;
	}
	timer_set(reader->loop, &reader->tick, loop_now_ms(reader->loop) + TICK_MS);
}

/* ---- start and stop */

static void deliver_stop(struct mail *mail)
{
	struct disk_reader *reader = CONTAINER(mail, struct disk_reader, stop);
	struct list *node;

	while ((node = list_pop_front(&reader->jobs)))
		give_answer(CONTAINER(node, struct disk_job, node));
	loop_task_cancel(&reader->task);
	timer_cancel(&reader->tick);
	close_source(reader);
	loop_stop(reader->loop);
}

enum err disk_reader_start(struct disk *disk, struct disk_reader **out, struct err_text *why)
{
	enum { READ_BYTES = 4096 }; /* the loop wants a buffer; nothing is read here */
	struct disk_reader *reader = mem_zalloc(sizeof(*reader));

	reader->disk = disk;
	list_init(&reader->jobs);
	list_init(&reader->streams);
	reader->task.run = run;
	timer_init(&reader->tick, on_tick);
	reader->hold.deliver = deliver_hold;
	reader->stop.deliver = deliver_stop;
	reader->loop = loop_create(READ_BYTES, why);
	if (!reader->loop ||
	    !loop_thread_start(&reader->thread, "disk-reader", reader->loop, why)) {
		loop_destroy(reader->loop);
		mem_free(reader);
		return ERR_DISK;
	}
	*out = reader;
	return ERR_OK;
}

void disk_reader_stop(struct disk_reader *reader)
{
	if (!reader)
		return;
	loop_post(reader->loop, &reader->stop);
	pthread_join(reader->thread, NULL);
	loop_destroy(reader->loop);
	mem_free(reader);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer does between batches: loads the index, follows SQL typed elsewhere, sweeps
 * pieces, checkpoints and writes hit counts. */
#include "cache/disk/disk_budget.h"
#include "cache/disk/disk_writer_internal.h"

#include <malloc.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"

enum {
	LOAD_ROWS = 20000, /* some 12 ms of the writer's time */
	HITS_AT_ONCE = 64,
	DOOMED_AT_ONCE = 64,
	LOG_RETRY_MS = 1000,
	IDLE_MS = 2000,
	TRIM_BYTES = 16 << 20,
	FLUSH_MS = 600000,
	FLUSH_ROWS = 10000,
	CHECKPOINT_PAGES = (8 << 20) / SCHEMA_PAGE_BYTES,
	LAST_BIT_PAGES = (4 << 20) / SCHEMA_PAGE_BYTES,
	TRUNCATE_PAGES = (16 << 20) / SCHEMA_PAGE_BYTES,
	WAL_MAX_BYTES = 256 << 20,
	WAL_LEAST_BYTES = 32 << 20,
};

void writer_doom(struct disk_writer *writer, uint64_t id)
{
	struct disk_ids *ids = &writer->doomed;

	if (ids->n == ids->cap) {
		ids->cap = ids->cap ? ids->cap * 2 : 16;
		ids->at = mem_realloc(ids->at, ids->cap * sizeof(*ids->at));
	}
	ids->at[ids->n++] = id;
}

static bool is_id(uint64_t id)
{
	return id > 0 && id >> SCHEMA_ID_BITS == 0;
}

/* ---- the index */

void upkeep_load(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	sqlite3_stmt *stmt;
	int rc, n = 0;

	if (!writer->rows.db)
		return;
	stmt = rows_bind(&writer->rows, ROW_LOAD, writer->load_at, LOAD_ROWS);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);
		uint64_t key = (uint64_t)sqlite3_column_int64(stmt, 1);

		n++;
		writer->load_at = id;
		if (is_id(id) && !disk_is_doubted(disk, key, 0))
			disk_index_insert(disk->index, key, id,
					  (uint64_t)sqlite3_column_int64(stmt, 2));
	}
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE) {
		writer_fault(writer, rc); /* it goes on with a tick, or anew with another file */
		return;
	}
	if (n == LOAD_ROWS) {
		loop_defer(writer->loop, &writer->load_task);
		return;
	}
	/* Pairs with the acquire in disk_may_have: whoever sees it sees all entries. */
	atomic_store_explicit(&disk->is_loading, false, memory_order_release);
	/* The pages that were read are not needed again, and leave holes all over a heap that is
	 * small still: later on, trimming it would take the workers' time. */
	sqlite3_db_release_memory(writer->rows.db);
	malloc_trim(0);
}

static int on_wal(void *owner, sqlite3 *db, const char *name, int npages)
{
	struct disk_writer *writer = owner;

	(void)db;
	(void)name;
	if (npages < writer->wal_pages)
		writer->wal_done = 0; /* it begins anew */
	writer->wal_pages = npages;
	return SQLITE_OK;
}

static void doom_orphans(struct disk_writer *writer)
{
	sqlite3_stmt *stmt = rows_bind(&writer->rows, ROW_ORPHANS, 0, 0);

	while (sqlite3_step(stmt) == SQLITE_ROW)
		writer_doom(writer, (uint64_t)sqlite3_column_int64(stmt, 0));
	sqlite3_reset(stmt);
}

/* ---- SQL typed elsewhere */

/* What a shell did, for purge_log: how many rows and the first one's URL. */
struct typed {
	uint64_t n;
	struct buf what;
};

static void note_typed(struct typed *typed, sqlite3_stmt *stmt)
{
	const char *url = (const char *)sqlite3_column_text(stmt, 5);

	if (!sqlite3_column_int(stmt, 4))
		return; /* who did it wrote the line already */
	if (typed->n++ == 0)
		buf_printf(&typed->what, "%s", url ? url : "?");
}

static void log_typed(struct disk *disk, struct typed *typed, const char *how)
{
	if (typed->n > 1)
		buf_printf(&typed->what, " and %llu more", (unsigned long long)typed->n - 1);
	buf_add_char(&typed->what, '\0');
	if (typed->n > 0 && !typed->what.is_full)
		disk_log_purge(disk, "sqlite3", how, typed->what.at, typed->n);
	buf_fini(&typed->what);
}

/* Memory first, at once; the pieces follow in transactions of their own. */
static void read_purged(struct disk_writer *writer)
{
	enum { MAX_WHAT_BYTES = 8192 };
	struct disk *disk = writer->disk;
	sqlite3_stmt *stmt = rows_bind(&writer->rows, ROW_PURGED, writer->purge_seen, 0);
	struct typed deleted = {0}, changed = {0};
	int rc;

	buf_init(&deleted.what, MAX_WHAT_BYTES);
	buf_init(&changed.what, MAX_WHAT_BYTES);

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 1);
		uint64_t key = (uint64_t)sqlite3_column_int64(stmt, 2);

		writer->purge_seen = (uint64_t)sqlite3_column_int64(stmt, 0);
		writer->has_purge_rows = true;
		if (!is_id(id))
			continue;
		note_typed(sqlite3_column_int(stmt, 3) ? &deleted : &changed, stmt);
		if (sqlite3_column_int(stmt, 3)) {
			disk_index_remove(disk->index, key, id);
			disk_count(disk, COUNT_REMOVED, 1);
			writer_doom(writer, id);
		}
		if (disk->config.on_removed)
			disk->config.on_removed(disk->config.owner, key, disk_tag(disk, id));
	}
	sqlite3_reset(stmt);
	log_typed(disk, &deleted, "deleted");
	log_typed(disk, &changed, "stale");
	if (rc != SQLITE_DONE)
		writer_fault(writer, rc);
}

static void poll_purged(struct disk_writer *writer)
{
	int64_t version = 0;
	int rc = rows_number(&writer->rows, ROW_DATA_VERSION, &version);

	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	if (version == writer->data_version)
		return;
	writer->data_version = version;
	read_purged(writer);
	if (writer->rows.db)
		lost_doubt(writer);
}

/* Of the doomed, those that are swept come to stand last. The purge log is emptied once all that it
 * names is swept, so that a crash forgets nothing. */
static int sweep_doomed(struct disk_writer *writer, size_t *nswept)
{
	struct disk_ids *ids = &writer->doomed;
	int rc = SQLITE_OK;

	*nswept = 0;
	for (size_t i = ids->n; i-- > 0 && *nswept < DOOMED_AT_ONCE && rc == SQLITE_OK;) {
		uint64_t id = ids->at[i];

		if (disk_is_pinned(writer->disk, id))
			continue;
		rc = rows_remove_pieces(&writer->rows, id);
		++*nswept;
		ids->at[i] = ids->at[ids->n - *nswept];
		ids->at[ids->n - *nswept] = id;
	}
	if (rc == SQLITE_OK && *nswept == ids->n && writer->has_purge_rows)
		rc = rows_run(&writer->rows, ROW_DELETE_PURGED, writer->purge_seen, 0);
	return rc;
}

static void sweep(struct disk_writer *writer)
{
	struct disk_ids *ids = &writer->doomed;
	size_t nswept;
	int rc;

	if ((ids->n == 0 && !writer->has_purge_rows) || !writer_may_write(writer))
		return;
	rc = rows_begin(&writer->rows);
	if (rc == SQLITE_OK)
		rc = sweep_doomed(writer, &nswept);
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	ids->n -= nswept;
	if (ids->n == 0)
		writer->has_purge_rows = false;
	writer_is_well(writer);
}

/* ---- hit counts */

void upkeep_flush_hits(struct disk_writer *writer)
{
	struct disk_index_hits hits[HITS_AT_ONCE];
	unsigned cursor = 0, n, total = 0;
	int rc;

	writer->flushed_ms = loop_now_ms(writer->loop);
	if (disk_is_spent(writer->disk) || !writer_may_write(writer) ||
	    rows_begin(&writer->rows) != SQLITE_OK)
		return;
	rc = SQLITE_OK;
	while (rc == SQLITE_OK && total < FLUSH_ROWS &&
	       (n = disk_index_take_hits(writer->disk->index, &cursor, hits, HITS_AT_ONCE)) > 0) {
		for (unsigned i = 0; i < n && rc == SQLITE_OK; i++)
			rc = rows_run(&writer->rows, ROW_HITS, hits[i].id, hits[i].nhits);
		total += n;
	}
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	if (rc != SQLITE_OK)
		writer_fault(writer, rc);
}

/* ---- the log of SQLite (WAL) */

static void note_written_back(struct disk_writer *writer, int npages, int ndone)
{
	writer->wal_done = ndone;
	if (npages == ndone)
		writer->wal_pages = writer->wal_done = 0;
}

static void checkpoint(struct disk_writer *writer, int mode)
{
	int npages = 0, ndone = 0;
	int rc = sqlite3_wal_checkpoint_v2(writer->rows.db, NULL, mode, &npages, &ndone);

	if (rc == SQLITE_OK)
		note_written_back(writer, npages, ndone);
	else if (rc != SQLITE_BUSY)
		writer_fault(writer, rc);
}

/* The log may take 256 MiB, or half as much as a small cache. */
static int wal_max_pages(struct disk_writer *writer)
{
	uint64_t bytes = writer->disk->config.max_bytes / 2;

	if (bytes > WAL_MAX_BYTES)
		bytes = WAL_MAX_BYTES;
	if (bytes < WAL_LEAST_BYTES)
		bytes = WAL_LEAST_BYTES;
	return (int)(bytes / SCHEMA_PAGE_BYTES);
}

bool upkeep_log_is_full(struct disk_writer *writer)
{
	return disk_checkpoint_is_under_way(writer->checkpoint) &&
	       writer->wal_pages > wal_max_pages(writer) / 2;
}

/* False: somebody reads an old state without end, so that the log cannot be written back. The
 * writer does that itself only where the other thread does not get ahead of it. */
static bool is_log_bounded(struct disk_writer *writer)
{
	if (disk_checkpoint_is_under_way(writer->checkpoint))
		return true;
	if (writer->wal_pages > wal_max_pages(writer) / 2)
		checkpoint(writer, SQLITE_CHECKPOINT_PASSIVE);
	else if (writer->wal_pages - writer->wal_done >= CHECKPOINT_PAGES)
		disk_checkpoint_ask(writer->checkpoint, writer->inode);
	if (!writer->rows.db || writer->wal_pages <= wal_max_pages(writer))
		return true;
	writer_pause(writer, "a program that reads cache.db without end keeps its log from"
			     " being written back", LOG_RETRY_MS);
	return false;
}

/* The log begins anew when all of it was written back at a moment without a transaction: the writer
 * does the last bit itself. */
static void end_log(struct disk_writer *writer)
{
	int left = writer->wal_pages - writer->wal_done;

	if (left <= LAST_BIT_PAGES)
		checkpoint(writer, SQLITE_CHECKPOINT_PASSIVE);
	else if (writer->wal_pages <= wal_max_pages(writer) / 2)
		disk_checkpoint_ask(writer->checkpoint, writer->inode);
}

void upkeep_after_checkpoint(void *owner, int code, int ndone, unsigned generation)
{
	struct disk_writer *writer = owner;

	if (!writer->rows.db ||
	    generation != atomic_load_explicit(&writer->disk->generation, memory_order_relaxed))
		return;
	if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
		if (upkeep_file_has_moved(writer))
			writer_reopen(writer);
		else
			writer_fault(writer, code);
		return;
	}
	/* One that came to nothing is asked for again by the next commit, not at once and for
	 * ever. */
	if (code == SQLITE_OK && ndone > writer->wal_done) {
		note_written_back(writer, writer->wal_pages, ndone);
		if (writer->wal_pages != 0)
			end_log(writer);
		if (writer->rows.db)
			is_log_bounded(writer);
	}
	if (!list_is_empty(&writer->queue))
		loop_defer(writer->loop, &writer->batch_task);
}

void upkeep_after_commit(struct disk_writer *writer)
{
	writer->active_ms = loop_now_ms(writer->loop);
	budget_count(writer);
	is_log_bounded(writer);
}

/* A file that was larger than its cap now allows gives its free pages back, a few at a time. */
static void shrink(struct disk_writer *writer)
{
	uint64_t max_pages = writer->disk->config.max_bytes / SCHEMA_PAGE_BYTES * 5 / 4;
	int64_t npages = 0, nfree = 0;

	if (rows_number(&writer->rows, ROW_PAGE_COUNT, &npages) == SQLITE_OK &&
	    rows_number(&writer->rows, ROW_FREE_COUNT, &nfree) == SQLITE_OK && nfree > 0 &&
	    (uint64_t)npages > max_pages && writer_may_write(writer))
		schema_run(writer->rows.db, "PRAGMA incremental_vacuum(500)");
}

static bool is_idle(const struct disk_writer *writer)
{
	return loop_now_ms(writer->loop) - writer->active_ms >= IDLE_MS;
}

/* What waited to be written lay all over the heap. */
static void give_back_memory(struct disk_writer *writer)
{
	if (writer->peak_bytes <= TRIM_BYTES || !is_idle(writer))
		return;
	writer->peak_bytes = 0;
	malloc_trim(0);
}

/* Writes the log back, and holds no memory while there is nothing to do. */
static void tidy_when_idle(struct disk_writer *writer)
{
	if (writer->wal_pages == 0 || disk_checkpoint_is_under_way(writer->checkpoint) ||
	    !is_idle(writer))
		return;
	writer->active_ms = loop_now_ms(writer->loop); /* the next try is IDLE_MS away */
	checkpoint(writer, writer->wal_pages > TRUNCATE_PAGES ? SQLITE_CHECKPOINT_TRUNCATE
							      : SQLITE_CHECKPOINT_PASSIVE);
	if (!writer->rows.db)
		return;
	shrink(writer);
	sqlite3_db_release_memory(writer->rows.db);
}

/* ---- the clockwork */

void upkeep_start(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	uint64_t used;

	writer->inode = upkeep_inode(writer, "");
	writer->wal_inode = upkeep_inode(writer, "-wal");
	writer->shm_inode = upkeep_inode(writer, "-shm");
	writer->wal_done = 0;
	writer->wal_pages = 1; /* whatever an earlier process left */
	writer->load_at = 0;
	writer->first_new_id = writer->next_id;
	writer->data_version = -1;
	writer->looks_for_lost = false;
	rows_number(&writer->rows, ROW_SCHEMA_VERSION, &writer->schema_version);
	sqlite3_wal_hook(writer->rows.db, on_wal, writer);
	atomic_store_explicit(&disk->is_loading, true, memory_order_relaxed);
	doom_orphans(writer);
	budget_open(writer);
	if (rows_used_bytes(&writer->rows, &used) == SQLITE_OK)
		atomic_store_explicit(&disk->counts[COUNT_USED_BYTES], used, memory_order_relaxed);
	loop_defer(writer->loop, &writer->load_task);
}

/* After a pause: does the file take a transaction? */
static void probe(struct disk_writer *writer)
{
	int rc;

	if (!writer_may_write(writer) || !is_log_bounded(writer) || !writer->rows.db)
		return;
	rc = rows_begin(&writer->rows);
	if (rc == SQLITE_OK)
		rc = rows_run(&writer->rows, ROW_SET_NEXT_ID, writer->next_id, 0);
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	writer->id_limit = writer->id_limit_committed = writer->next_id;
	writer_is_well(writer);
}

static void recover(struct disk_writer *writer)
{
	writer_drop_stores(writer);
	if (loop_now_ms(writer->loop) < writer->retry_ms)
		return;
	if (!writer->rows.db)
		writer_reopen(writer);
	else
		probe(writer);
}

void upkeep_tick(struct disk_writer *writer)
{
	budget_tick(writer);
	disk_admission_age(writer->disk->admission);
	if (atomic_load_explicit(&writer->disk->is_void, memory_order_relaxed) && writer->rows.db)
		writer_reopen(writer);
	if (disk_state(writer->disk) != DISK_NORMAL)
		recover(writer);
	if (writer->rows.db)
		upkeep_look_for_file(writer);
	if (writer->rows.db)
		poll_purged(writer);
	if (writer->rows.db)
		sweep(writer);
	if (writer->rows.db)
		evict_tick(writer);
	if (writer->rows.db)
		lost_tick(writer);
	give_back_memory(writer);
	if (writer->rows.db)
		tidy_when_idle(writer);
	if (writer->rows.db && loop_now_ms(writer->loop) - writer->flushed_ms > FLUSH_MS)
		upkeep_flush_hits(writer);
	if (atomic_load_explicit(&writer->disk->is_loading, memory_order_relaxed))
		loop_defer(writer->loop, &writer->load_task);
	if (!list_is_empty(&writer->purges))
		loop_defer(writer->loop, &writer->purge_task);
	if (!list_is_empty(&writer->queue) && writer->batch_timer.deadline_ms == 0)
		loop_defer(writer->loop, &writer->batch_task);
}

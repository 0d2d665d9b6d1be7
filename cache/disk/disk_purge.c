/* SPDX-License-Identifier: BSD-2-Clause */
/* Purges by pattern: the writer walks through the rows in the order of their ids, a slice at a
 * time, and does everything else in between. What is stored meanwhile was compared with the list of
 * purges before its row was added (disk_items.c), so the walk ends at the ids of its beginning. */
#include "cache/disk/disk_writer_internal.h"

#include <string.h>

#include "cache/purge.h"
#include "lib/base/clock.h"

enum { SLICE_ROWS = 1000 }; /* some 2 ms to look at */

struct match {
	uint64_t id, key;
};

struct slice {
	unsigned nseen, nmatches;
	uint64_t last; /* id */
	struct match matches[SLICE_ROWS];
};

static struct str column(sqlite3_stmt *stmt, int at)
{
	const char *text = (const char *)sqlite3_column_text(stmt, at);

	return (struct str){text, text ? (size_t)sqlite3_column_bytes(stmt, at) : 0};
}

static bool is_meant(const struct disk_purge *job, sqlite3_stmt *stmt)
{
	struct str head = job->purge->kind == PURGE_TAG ? column(stmt, 3) : STR_NONE;

	return purge_matches(job->purge, column(stmt, 2), head);
}

static int look(struct disk_writer *writer, const struct disk_purge *job, struct slice *slice)
{
	sqlite3_stmt *stmt = job->key ? rows_bind(&writer->rows, ROW_MATCHABLE_BY_KEY, job->key, 0)
				      : rows_bind(&writer->rows, ROW_MATCHABLE, job->at_,
						  SLICE_ROWS);
	int rc;

	slice->nseen = slice->nmatches = 0;
	slice->last = job->at_;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && slice->nseen < SLICE_ROWS) {
		uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);

		slice->nseen++;
		slice->last = id;
		if (id < job->limit_ && is_meant(job, stmt))
			slice->matches[slice->nmatches++] = (struct match){
				id, (uint64_t)sqlite3_column_int64(stmt, 1)};
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int change(struct disk_writer *writer, const struct disk_purge *job,
		  const struct slice *slice)
{
	int64_t now_s = clock_wall_s();
	int rc = slice->nmatches > 0 ? rows_begin(&writer->rows) : SQLITE_OK;

	if (rc != SQLITE_OK || slice->nmatches == 0)
		return rc;
	for (unsigned i = 0; i < slice->nmatches && rc == SQLITE_OK; i++) {
		const struct match *match = &slice->matches[i];

		if (job->purge->is_soft)
			rc = rows_run(&writer->rows, ROW_MARK_STALE, match->id, (uint64_t)now_s);
		else
			rc = writer_remove(writer, match->key, match->id);
	}
	return rc == SQLITE_OK ? rows_commit(&writer->rows) : rc;
}

static void come_back(struct mail *mail)
{
	struct disk_purge *job = CONTAINER(mail, struct disk_purge, mail_);

	job->done(job);
}

static void end(struct disk_purge *job)
{
	list_remove(&job->node_);
	if (!job->purge->is_dry)
		atomic_fetch_sub(&job->disk_->npurges, 1);
	job->mail_.deliver = come_back;
	loop_post(job->loop, &job->mail_);
}

static int log_end(struct disk_writer *writer, const struct disk_purge *job)
{
	int64_t ms = (clock_mono_us() - job->started_us_) / 1000;
	int rc = rows_begin(&writer->rows);

	if (rc == SQLITE_OK)
		rc = rows_log_purge(&writer->rows, job->who,
				    job->purge->is_soft ? "stale" : "deleted", job->what,
				    atomic_load_explicit(&job->nmatched, memory_order_relaxed),
				    ms < 0 ? 0 : ms);
	return rc == SQLITE_OK ? rows_commit(&writer->rows) : rc;
}

static bool is_over(const struct disk_purge *job, const struct slice *slice)
{
	return job->key || slice->nseen < SLICE_ROWS || slice->last >= job->limit_;
}

/* One slice: looked at, changed, counted. */
static int run_slice(struct disk_writer *writer, struct disk_purge *job, bool *is_last)
{
	struct slice slice;
	int rc = look(writer, job, &slice);

	if (rc == SQLITE_OK && !job->purge->is_dry)
		rc = change(writer, job, &slice);
	if (rc != SQLITE_OK)
		return rc;
	if (!job->purge->is_dry && !job->purge->is_soft)
		disk_count(writer->disk, COUNT_REMOVED, slice.nmatches);
	if (slice.nseen > 0)
		job->at_ = slice.last;
	atomic_fetch_add_explicit(&job->nseen, slice.nseen, memory_order_relaxed);
	atomic_fetch_add_explicit(&job->nmatched, slice.nmatches, memory_order_relaxed);
	*is_last = is_over(job, &slice);
	return *is_last && !job->purge->is_dry ? log_end(writer, job) : SQLITE_OK;
}

static void note_waiting(struct disk_writer *writer, bool is_waiting)
{
	LIST_EACH(node, &writer->purges)
		atomic_store_explicit(&CONTAINER(node, struct disk_purge, node_)->is_waiting,
				      is_waiting, memory_order_relaxed);
}

void purge_slice(struct disk_writer *writer)
{
	struct disk_purge *job;
	bool is_last = false;
	bool may;
	int rc;

	if (list_is_empty(&writer->purges))
		return;
	job = CONTAINER(writer->purges.next, struct disk_purge, node_);
	may = writer_may_write(writer);
	note_waiting(writer, !may);
	if (!may)
		return; /* a tick tries again */
	rc = run_slice(writer, job, &is_last);
	if (rc != SQLITE_OK) {
		writer_fault(writer, rc);
		return;
	}
	writer_is_well(writer);
	if (is_last)
		end(job);
	if (!list_is_empty(&writer->purges))
		loop_defer(writer->loop, &writer->purge_task);
}

void purge_cut_all(struct disk_writer *writer)
{
	loop_task_cancel(&writer->purge_task);
	LIST_EACH_SAFE(node, &writer->purges) {
		struct disk_purge *job = CONTAINER(node, struct disk_purge, node_);

		job->is_cut = true;
		end(job);
	}
}

static void deliver(struct mail *mail)
{
	struct disk_purge *job = CONTAINER(mail, struct disk_purge, mail_);
	struct disk_writer *writer = job->disk_->writer;

	job->limit_ = writer->next_id;
	job->started_us_ = clock_mono_us();
	list_push_back(&writer->purges, &job->node_);
	loop_defer(writer->loop, &writer->purge_task);
}

void disk_purge(struct disk *disk, struct disk_purge *job)
{
	job->disk_ = disk;
	job->at_ = 0;
	job->is_cut = false;
	list_init(&job->node_);
	atomic_store_explicit(&job->nseen, 0, memory_order_relaxed);
	atomic_store_explicit(&job->nmatched, 0, memory_order_relaxed);
	atomic_store_explicit(&job->is_waiting, false, memory_order_relaxed);
	if (!job->purge->is_dry) {
		if (atomic_load(&disk->npurges) == 0)
			atomic_store(&disk->purged_since, job->since);
		atomic_fetch_add(&disk->npurges, 1);
	}
	atomic_store_explicit(&job->ntotal, job->key ? 1 : disk_index_count(disk->index),
			      memory_order_relaxed);
	job->mail_.deliver = deliver;
	loop_post(disk->writer->loop, &job->mail_);
}

bool disk_is_purged(struct disk *disk, struct str url, struct str head)
{
	return disk->config.purges && atomic_load(&disk->npurges) > 0 &&
	       purge_list_hits(disk->config.purges, atomic_load(&disk->purged_since), url, head);
}

static char *put(char *at, const char *text)
{
	size_t len = strlen(text) + 1;

	memcpy(at, text, len);
	return at + len;
}

void disk_log_purge(struct disk *disk, const char *who, const char *how, const char *what,
		    uint64_t objects)
{
	enum { MAX_BYTES = 16384 };
	size_t len = strlen(who) + strlen(how) + strlen(what) + 3;
	struct disk_item *item;

	if (len > MAX_BYTES || !disk_queue_charge(disk, sizeof(*item) + len))
		return;
	item = disk_item_create(ITEM_LOG_PURGE, len);
	item->charged = sizeof(*item) + len;
	item->id = objects;
	put(put(put(item->bytes, who), how), what);
	disk_writer_post(disk->writer, item);
}

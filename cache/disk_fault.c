/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer does when the file or the disk under it fails. Each change of state is one line in
 * the log; nothing here makes a caller of the disk tier wait or fail. */
#include "cache/disk_writer_internal.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "lib/base/check.h"
#include "lib/base/log.h"

enum {
	RETRY_MS = 30000,
	BUSY_RETRY_MS = 50,
	BUSY_PATIENCE_MS = 2000, /* then it is worth a line in the log */
	REST_MS = 600000,        /* after too many new starts */
};

static void set_state(struct disk_writer *writer, enum disk_state state, const char *reason)
{
	static const char *const sentences[] = {
		[DISK_NORMAL] = "stores again",
		[DISK_PAUSED] = "does not store for now, hits go on",
		[DISK_OFF] = "is not used for now, trying again by itself",
	};
	struct disk *disk = writer->disk;

	if (disk_state(disk) == state)
		return;
	atomic_store_explicit(&disk->state, state, memory_order_relaxed);
	log_say(1, "Disk cache %s %s%s%s", disk->path, sentences[state], reason ? ": " : "",
		reason ? reason : "");
}

void writer_is_well(struct disk_writer *writer)
{
	writer->busy_since_ms = writer->retry_ms = 0;
	set_state(writer, DISK_NORMAL, NULL);
}

void writer_pause(struct disk_writer *writer, const char *reason, int64_t retry_in_ms)
{
	writer->retry_ms = loop_now_ms(writer->loop) + retry_in_ms;
	set_state(writer, DISK_PAUSED, reason);
}

static void rest(struct disk_writer *writer, const char *reason, int64_t retry_in_ms)
{
	rows_close(&writer->rows);
	writer->retry_ms = loop_now_ms(writer->loop) + retry_in_ms;
	set_state(writer, DISK_OFF, reason);
}

static void wait_for_lock(struct disk_writer *writer)
{
	int64_t now_ms = loop_now_ms(writer->loop);

	if (writer->busy_since_ms == 0)
		writer->busy_since_ms = now_ms;
	writer->retry_ms = now_ms + BUSY_RETRY_MS;
	if (now_ms - writer->busy_since_ms > BUSY_PATIENCE_MS)
		set_state(writer, DISK_PAUSED, "another program holds its lock");
	if (!writer->is_stopping)
		timer_set(writer->loop, &writer->batch_timer, writer->retry_ms);
}

/* Bodies on their way in, and ids to sweep, belong to a file that is gone. */
static void forget_file(struct disk_writer *writer)
{
	LIST_EACH(node, &writer->stores)
		store_fail(writer, CONTAINER(node, struct disk_store, node));
	LIST_EACH(node, &writer->queue) {
		struct disk_item *item = CONTAINER(node, struct disk_item, node);

		if (item->store && item->store->id != 0)
			store_fail(writer, item->store);
	}
	writer->doomed.n = 0;
	writer->purge_seen = writer->hand = 0;
	writer->id_limit = writer->id_limit_committed = 0;
	writer->has_purge_rows = false;
	disk_index_clear(writer->disk->index);
}

int writer_adopt(struct disk_writer *writer, sqlite3 *db)
{
	static const char *const highest[] = {
		"SELECT value FROM meta WHERE name = 'next_id'",
		"SELECT max(id) + 1 FROM usage",
		"SELECT max(id) + 1 FROM object",
		"SELECT max(id) + 1 FROM orphan",
		"SELECT (max(id) >> 20) + 1 FROM chunk",
	};
	int rc = rows_open(&writer->rows, db);
	int64_t id = 0;

	for (size_t i = 0; i < COUNT(highest) && rc == SQLITE_OK; i++) {
		rc = schema_number(db, highest[i], &id);
		/* A number that no id can have is somebody's joke. */
		if (rc == SQLITE_OK && id > 0 && id >> SCHEMA_ID_BITS == 0 &&
		    (uint64_t)id > writer->next_id)
			writer->next_id = (uint64_t)id;
	}
	if (writer->next_id == 0)
		writer->next_id = 1;
	if (rc != SQLITE_OK)
		rows_close(&writer->rows);
	return rc;
}

void writer_reopen(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	struct err_text why = {""};
	sqlite3 *db;

	rows_close(&writer->rows);
	forget_file(writer);
	if (disk_open_database(disk->path, disk->config.max_bytes, disk->seed, &db, &why) != ERR_OK) {
		rest(writer, why.at, RETRY_MS);
		return;
	}
	if (writer_adopt(writer, db) != SQLITE_OK) {
		rest(writer, "its tables cannot be read", RETRY_MS);
		return;
	}
	/* Pairs with the readers' load: they open the new file. */
	atomic_fetch_add_explicit(&disk->generation, 1, memory_order_release);
	writer_is_well(writer);
	upkeep_start(writer);
}

/* Too many new starts in a short time mean that the disk is no good. */
static bool is_hopeless(struct disk_writer *writer, int64_t now_ms)
{
	int64_t oldest = writer->recreated_ms[NRECREATIONS - 1];

	for (int i = NRECREATIONS - 1; i > 0; i--)
		writer->recreated_ms[i] = writer->recreated_ms[i - 1];
	writer->recreated_ms[0] = now_ms;
	return oldest != 0 && now_ms - oldest < REST_MS;
}

void writer_replace(struct disk_writer *writer, const char *reason)
{
	struct disk *disk = writer->disk;

	rows_close(&writer->rows);
	if (is_hopeless(writer, loop_now_ms(writer->loop))) {
		forget_file(writer);
		rest(writer, reason, REST_MS);
		return;
	}
	disk_count(disk, COUNT_RECREATED, 1);
	log_say(1, "Disk cache %s is damaged (%s): setting it aside, starting an empty one",
		disk->path, reason);
	disk_set_aside(disk->path);
	writer_reopen(writer);
}

void writer_fault(struct disk_writer *writer, int code)
{
	const char *reason = sqlite3_errstr(code);
	int64_t retry_ms = RETRY_MS;

	rows_rollback(&writer->rows);
	disk_count(writer->disk, COUNT_FAULTS, 1);
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		wait_for_lock(writer);
		return;
	case SQLITE_FULL:
		writer_pause(writer, reason, retry_ms);
		return;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table is missing or another */
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT: /* rows that should not be there */
		writer_replace(writer, reason);
		return;
	default:
		if (code == SQLITE_IOERR_SHORT_READ)
			writer_replace(writer, reason);
		else if (code == SQLITE_IOERR_WRITE)
			writer_pause(writer, reason, retry_ms);
		else if (upkeep_file_has_moved(writer))
			writer_reopen(writer);
		else
			rest(writer, reason, retry_ms);
	}
}

/* Room for the batch, the log and others' needs. */
static bool has_room(struct disk_writer *writer)
{
	enum { SPARE_BYTES = 64 << 20 };
	uint64_t spare = writer->disk->config.max_bytes / 8;
	struct statvfs fs;

	if (spare > SPARE_BYTES)
		spare = SPARE_BYTES;
	return statvfs(writer->disk->directory, &fs) != 0 ||
	       (uint64_t)fs.f_bavail * fs.f_frsize >= spare;
}

bool writer_may_write(struct disk_writer *writer)
{
	if (!writer->rows.db || loop_now_ms(writer->loop) < writer->retry_ms)
		return false;
	if (has_room(writer))
		return true;
	writer_pause(writer, "the disk is nearly full", RETRY_MS);
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer does when the file or the disk under it fails. Each change of state is one line
 * in the log; nothing here makes a caller of the disk tier wait or fail. */
#include "cache/disk/disk_writer_internal.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "cache/key.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	FIRST_RETRY_MS = 1000,
	RETRY_MS = 30000, /* what retries come to, when they are in vain: twice the last each time */
	CALM_MS = 60000,  /* so long without a fault, and retries begin anew */
	LOOK_AGAIN_MS = 1000, /* at what costs next to nothing */
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
	disk_tell_health(disk, state, reason);
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

void writer_leave(struct disk_writer *writer, const char *reason)
{
	if (disk_state(writer->disk) == DISK_NORMAL)
		set_state(writer, DISK_PAUSED, reason);
}

static int64_t next_retry_ms(struct disk_writer *writer)
{
	int64_t now_ms = loop_now_ms(writer->loop);

	if (writer->failed_ms == 0 || now_ms - writer->failed_ms > CALM_MS)
		writer->pause_ms = FIRST_RETRY_MS;
	else
		writer->pause_ms *= 2;
	if (writer->pause_ms > RETRY_MS)
		writer->pause_ms = RETRY_MS;
	writer->failed_ms = now_ms;
	return writer->pause_ms;
}

static void rest(struct disk_writer *writer, const char *reason, int64_t retry_in_ms)
{
	disk_checkpoint_forget(writer->checkpoint);
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
	disk_checkpoint_forget(writer->checkpoint);
	writer->doomed.n = 0;
	writer->purge_seen = writer->hand = 0;
	writer->id_limit = writer->id_limit_committed = 0;
	writer->has_purge_rows = false;
	disk_index_clear(writer->disk->index);
	/* What the next file holds is not known: a removal is for it too. */
	atomic_store_explicit(&writer->disk->is_loading, true, memory_order_relaxed);
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

/* What lies beside a file that moved away is not the log of the file that took its place: SQLite
 * would write it into that one. */
static void remove_companions(struct disk_writer *writer)
{
	const struct {
		const char *suffix;
		uint64_t inode;
	} files[] = {{"-wal", writer->wal_inode}, {"-shm", writer->shm_inode}};

	for (size_t i = 0; i < COUNT(files); i++) {
		char *path;

		if (files[i].inode == 0 || upkeep_inode(writer, files[i].suffix) != files[i].inode)
			continue;
		path = mem_printf("%s%s", writer->disk->path, files[i].suffix);
		unlink(path);
		mem_free(path);
	}
}

static void key_of_url(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const uint64_t *seed = sqlite3_user_data(context);
	const char *url = (const char *)sqlite3_value_text(values[0]);
	size_t len = (size_t)sqlite3_value_bytes(values[0]);

	(void)nvalues;
	sqlite3_result_int64(
		context, (int64_t)cache_key_fingerprint((struct str){url, url ? len : 0}, *seed));
}

/* Keys in memory are by the seed that was there first: those in a file of another one are made
 * anew. */
int writer_take_seed(struct disk_writer *writer, sqlite3 *db)
{
	uint64_t *seed = &writer->disk->seed;
	int64_t old = 0;
	int rc = schema_number(db, "SELECT value FROM meta WHERE name = 'seed'", &old);
	char *sql;

	if (rc != SQLITE_OK || (uint64_t)old == *seed)
		return rc;
	rc = sqlite3_create_function(db, "key_of_url", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, seed,
				     key_of_url, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sql = sqlite3_mprintf("BEGIN IMMEDIATE;"
			      "UPDATE usage SET key = key_of_url(url) FROM object"
			      " WHERE object.id = usage.id;"
			      "UPDATE meta SET value = %lld WHERE name = 'seed'; COMMIT",
			      (long long)*seed);
	rc = sql ? schema_run(db, sql) : SQLITE_NOMEM;
	sqlite3_free(sql);
	return rc;
}

/* After a rest: does the device write, and sync, again? A commit alone syncs nothing. */
static bool is_device_well(sqlite3 *db)
{
	int rc = schema_run(db, "UPDATE meta SET value = value WHERE name = 'next_id'");

	if (rc == SQLITE_OK)
		rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY;
}

static void rest_a_while(struct disk_writer *writer, const char *reason)
{
	rest(writer, reason, next_retry_ms(writer));
}

/* Damage may be the device's, which is gone for a while, or the file is another one now. */
static bool may_set_aside(struct disk_writer *writer, struct err_text *why)
{
	sqlite3 *db;
	enum schema_state state =
		schema_open_writer(writer->disk->path, writer->disk->config.max_bytes, &db, why);

	sqlite3_close(db);
	return state == SCHEMA_OURS || state == SCHEMA_DAMAGED || state == SCHEMA_EMPTY;
}

/* Nobody knows any more what of it was purged while it could not be written. */
static bool leave_void(struct disk_writer *writer, struct err_text *why)
{
	struct disk *disk = writer->disk;

	if (!atomic_load_explicit(&disk->is_void, memory_order_relaxed))
		return true;
	if (!may_set_aside(writer, why))
		return false;
	log_say(1, "Disk cache %s: more was purged than can wait: starting an empty one",
	        disk->path);
	disk_set_aside(disk->path);
	return true;
}

/* True: the directory is ours. */
static bool hold_directory(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	struct err_text why = {""};
	enum err err = disk_hold_directory(disk, &why);

	if (err == ERR_OK)
		return true;
	if (err == ERR_BUSY && atomic_load_explicit(&disk->is_borrowed, memory_order_relaxed))
		return false; /* the next tick sees */
	atomic_store_explicit(&disk->is_borrowed, false, memory_order_relaxed);
	rest(writer, why.at, LOOK_AGAIN_MS);
	return false;
}

void writer_reopen(struct disk_writer *writer)
{
	struct disk *disk = writer->disk;
	struct err_text why = {""};
	sqlite3 *db;
	int rc;

	rows_close(&writer->rows);
	forget_file(writer);
	if (upkeep_inode(writer, "") != writer->inode)
		remove_companions(writer);
	if (!hold_directory(writer))
		return;
	if (!leave_void(writer, &why) || disk_open_database(disk->path, disk->config.max_bytes,
	                                                    disk->seed, &db, &why) != ERR_OK) {
		rest_a_while(writer, why.at);
		return;
	}
	if (disk_state(disk) == DISK_OFF && !is_device_well(db)) {
		err_say(&why, "%s", sqlite3_errmsg(db));
		sqlite3_close(db);
		rest_a_while(writer, why.at);
		return;
	}
	rc = writer_take_seed(writer, db);
	if (rc != SQLITE_OK)
		sqlite3_close(db);
	else
		rc = writer_adopt(writer, db);
	if (rc != SQLITE_OK && writer_is_damage(rc)) {
		writer_replace(writer, sqlite3_errstr(rc));
		return;
	}
	if (rc != SQLITE_OK) {
		rest_a_while(writer, sqlite3_errstr(rc));
		return;
	}
	atomic_store_explicit(&disk->is_void, false, memory_order_relaxed);
	atomic_store_explicit(&disk->is_borrowed, false, memory_order_relaxed);
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
	struct err_text why = {""};

	rows_close(&writer->rows);
	if (!may_set_aside(writer, &why)) {
		rest_a_while(writer, why.at);
		return;
	}
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

bool writer_is_damage(int code)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table is missing or another */
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT: /* rows that should not be there */
		return true;
	default:
		return code == SQLITE_IOERR_SHORT_READ;
	}
}

void writer_fault(struct disk_writer *writer, int code)
{
	const char *reason = sqlite3_errstr(code);

	rows_rollback(&writer->rows);
	disk_count(writer->disk, COUNT_FAULTS, 1);
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		wait_for_lock(writer);
		return;
	case SQLITE_FULL:
		writer_pause(writer, reason, next_retry_ms(writer));
		return;
	default:
		if (writer_is_damage(code))
			writer_replace(writer, reason);
		else if (code == SQLITE_IOERR_WRITE)
			writer_pause(writer, reason, next_retry_ms(writer));
		else if (upkeep_file_has_moved(writer))
			writer_reopen(writer);
		else
			rest_a_while(writer, reason);
	}
}

/* Room for the batch, the log and others' needs; a little more to begin again. */
static bool has_room(struct disk_writer *writer)
{
	enum { SPARE_BYTES = 64 << 20 };
	uint64_t spare = writer->disk->config.max_bytes / 8;
	struct statvfs fs;

	if (spare > SPARE_BYTES)
		spare = SPARE_BYTES;
	if (disk_state(writer->disk) != DISK_NORMAL)
		spare += spare / 4;
	return statvfs(writer->disk->directory, &fs) != 0 ||
	       (uint64_t)fs.f_bavail * fs.f_frsize >= spare;
}

bool writer_may_write(struct disk_writer *writer)
{
	if (!writer->rows.db || loop_now_ms(writer->loop) < writer->retry_ms)
		return false;
	if (has_room(writer))
		return true;
	writer_pause(writer, "the disk is nearly full", LOOK_AGAIN_MS);
	return false;
}

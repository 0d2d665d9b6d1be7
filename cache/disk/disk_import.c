/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_import.h"

#include <string.h>

#include "cache/disk/disk_stream.h"
#include "cache/key.h"
#include "cache/purge.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"

struct disk_import {
	struct disk_import_config config;
	struct disk_source source;
	uint64_t at; /* the last id that was dealt with */
	struct object *waiting; /* read, and not taken yet */
	struct disk_import_count count;
};

static bool is_usable(sqlite3 *db, const char *path, struct err_text *why)
{
	int64_t application = 0, version = 0;

	if (schema_number(db, "PRAGMA application_id", &application) != SQLITE_OK)
		err_say(why, "%s: %s", path, sqlite3_errmsg(db));
	else if (application != SCHEMA_APPLICATION_ID)
		err_say(why, "%s is no cache of Bobtail", path);
	else if (schema_number(db, "PRAGMA user_version", &version) != SQLITE_OK ||
		 version != SCHEMA_VERSION)
		err_say(why, "%s is of another version", path);
	else
		return true;
	return false;
}

struct disk_import *disk_import_open(const struct disk_import_config *config, struct err_text *why)
{
	struct disk_import *import = mem_zalloc(sizeof(*import));
	struct err_text reason;
	int64_t total = 0;
	int rc;

	schema_setup_once();
	import->config = *config;
	rc = schema_open_reader(config->path, &import->source.db, &reason);
	if (rc != SQLITE_OK) {
		err_say(why, "%s: %s", config->path, reason.at);
		goto fail;
	}
	if (!is_usable(import->source.db, config->path, why))
		goto fail;
	rc = disk_source_prepare(&import->source);
	if (rc == SQLITE_OK)
		rc = schema_number(import->source.db, "SELECT count(*) FROM object", &total);
	if (rc != SQLITE_OK) {
		err_say(why, "%s: %s", config->path, sqlite3_errstr(rc));
		goto fail;
	}
	import->count.total = (uint64_t)total;
	return import;
fail:
	disk_import_close(import);
	return NULL;
}

void disk_import_close(struct disk_import *import)
{
	if (!import)
		return;
	object_unref(import->waiting);
	disk_source_close(&import->source);
	mem_free(import);
}

/* ---- one object */

/* Piece n into body, if it is what the row says. */
static bool copy_piece(struct disk_import *import, uint64_t id, uint64_t n, char *body,
		       uint64_t size)
{
	sqlite3_stmt *stmt = import->source.piece;
	uint64_t offset = n * DISK_PIECE_BYTES, left = size - offset;
	size_t len = left < DISK_PIECE_BYTES ? (size_t)left : DISK_PIECE_BYTES;
	bool is_good;

	sqlite3_bind_int64(stmt, 1, (int64_t)(id << SCHEMA_PIECE_BITS | n));
	is_good = sqlite3_step(stmt) == SQLITE_ROW &&
		  (size_t)sqlite3_column_bytes(stmt, 1) == len &&
		  hash_crc32c(sqlite3_column_blob(stmt, 1), len) ==
			  (uint32_t)sqlite3_column_int64(stmt, 0);
	if (is_good)
		memcpy(body + offset, sqlite3_column_blob(stmt, 1), len);
	sqlite3_reset(stmt);
	return is_good;
}

static struct object *read_body(struct disk_import *import, uint64_t id,
				const struct object_head *head)
{
	uint64_t size = (uint64_t)head->body_bytes;
	char *body = NULL;
	struct object *object;
	bool is_good = true;

	if (size == 0)
		return object_create_whole(head, STR(""));
	object = object_create_blank(head, &body);
	for (uint64_t n = 0; n < disk_npieces(size) && is_good; n++)
		is_good = copy_piece(import, id, n, body, size);
	if (!is_good) {
		object_abort(object, 0);
		object_unref(object);
		return NULL;
	}
	object_commit(object, (size_t)size);
	object_finish(object);
	return object;
}

/* NULL: skipped or damaged, and counted. */
static struct object *read_object(struct disk_import *import, uint64_t id)
{
	struct object *object = NULL;
	struct disk_row row;
	int code = 0;

	switch (disk_row_read(&import->source, id, true, &row, &code)) {
	case DISK_ROW_FOUND:
		if (row.head.body_bytes > IMPORT_MAX_BODY_BYTES) {
			import->count.skipped++;
			break;
		}
		row.head.since = import->config.purges ? purge_list_now(import->config.purges) : 0;
		object = read_body(import, id, &row.head);
		import->count.damaged += !object;
		break;
	case DISK_ROW_NONE:
		break;
	case DISK_ROW_BAD:
	case DISK_ROW_FAULT:
		import->count.damaged++;
		break;
	}
	sqlite3_reset(import->source.row);
	return object;
}

/* False: there is no room for it now. */
static bool hand_over(struct disk_import *import)
{
	struct object *object = import->waiting;
	uint64_t key = cache_key_fingerprint(object->url, import->config.seed);
	struct disk *disk = import->config.choose(import->config.owner, key,
						   object_length(object));
	struct disk_stats stats;

	if (disk && disk_store(disk, object, key)) {
		import->count.stored++;
	} else {
		if (disk)
			disk_stats(disk, &stats);
		if (disk && stats.state == DISK_NORMAL && stats.queued_bytes > 0)
			return false;
		import->count.skipped++;
	}
	object_unref(object);
	import->waiting = NULL;
	return true;
}

enum disk_import_verdict disk_import_step(struct disk_import *import,
					  struct disk_import_count *count)
{
	char sql[96];
	int64_t id = 0;
	int rc;

	if (import->waiting) {
		if (!hand_over(import))
			return IMPORT_BUSY;
		*count = import->count;
	}
	sqlite3_snprintf(sizeof(sql), sql, "SELECT id FROM object WHERE id > %lld ORDER BY id LIMIT 1",
			 (long long)import->at);
	rc = schema_number(import->source.db, sql, &id);
	if (rc == SQLITE_OK && id > 0) {
		import->at = (uint64_t)id;
		import->count.done++;
		import->waiting = read_object(import, import->at);
	}
	*count = import->count;
	if (rc == SQLITE_NOTFOUND)
		return IMPORT_DONE;
	return rc == SQLITE_OK ? IMPORT_MORE : IMPORT_FAULT;
}

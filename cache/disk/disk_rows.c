/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_rows.h"

#include <string.h>

#include "cache/disk/disk_internal.h"
#include "cache/disk/schema.h"
#include "cache/head_line.h"
#include "cache/tags.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"

static const char *const texts[ROW_NSTATEMENTS] = {
	[ROW_BEGIN] = "BEGIN IMMEDIATE",
	[ROW_COMMIT] = "COMMIT",
	[ROW_PIECE] = "INSERT INTO chunk(id, crc, data) VALUES (?1, ?2, ?3)",
	[ROW_OBJECT] = "INSERT INTO object(id, url, vary, status, type, size, stored, date, expires,"
		       " modified, etag, flags, on_error, on_stale, header, crc, tags, decision) VALUES"
		       " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
		       " ?18)",
	[ROW_USAGE] = "INSERT INTO usage(id, key, size, used) VALUES (?1, ?2, ?3, ?4)",
	[ROW_SAME] = "SELECT u.id FROM usage u JOIN object o ON o.id = u.id"
		     " WHERE u.key = ?1 AND o.url = ?2 AND (o.vary IS NULL OR o.vary IS ?3)",
	[ROW_BY_KEY] = "SELECT id FROM usage WHERE key = ?1",
	[ROW_UPDATE] = "UPDATE object SET status = ?4, type = ?5, stored = ?7, date = ?8, expires = ?9,"
		       " modified = ?10, etag = ?11, flags = ?12, on_error = ?13, on_stale = ?14,"
		       " header = ?15, crc = ?16, tags = ?17, decision = coalesce(?18, decision)"
		       " WHERE id = ?1",
	[ROW_DELETE_OBJECT] = "DELETE FROM object WHERE id = ?1",
	[ROW_DELETE_USAGE] = "DELETE FROM usage WHERE id = ?1",
	[ROW_DELETE_PIECES] = "DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2",
	[ROW_ADD_ORPHAN] = "INSERT OR IGNORE INTO orphan(id) VALUES (?1)",
	[ROW_DELETE_ORPHAN] = "DELETE FROM orphan WHERE id = ?1",
	[ROW_ORPHANS] = "SELECT id FROM orphan",
	[ROW_PURGED] = "SELECT id, object_id, key, what = 'deleted', who IS NULL, url FROM purge"
		       " WHERE id > ?1 ORDER BY id",
	/* What a purge looks at, some rows a time. */
	[ROW_MATCHABLE] = "SELECT u.id, u.key, o.url, o.header FROM usage u JOIN object o ON o.id = u.id"
			  " WHERE u.id > ?1 ORDER BY u.id LIMIT ?2",
	[ROW_MATCHABLE_BY_KEY] = "SELECT u.id, u.key, o.url, o.header FROM usage u"
				 " JOIN object o ON o.id = u.id WHERE u.key = ?1",
	/* 256: FACT_MARKED_STALE */
	[ROW_MARK_STALE] = "UPDATE object SET flags = flags | 256,"
			   " expires = min(coalesce(expires, ?2), ?2) WHERE id = ?1",
	[ROW_LOG_PURGE] = "INSERT INTO purge_log(at, who, how, what, objects, ms)"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[ROW_TRIM_LOG] = "DELETE FROM purge_log WHERE id <= (SELECT max(id) FROM purge_log) - ?1",
	[ROW_DELETE_PURGED] = "DELETE FROM purge WHERE id <= ?1",
	[ROW_SWEEP] = "SELECT id, key, size, used FROM usage WHERE id > ?1 ORDER BY id LIMIT ?2",
	[ROW_LOST_USAGE] = "SELECT u.id, o.id IS NULL, u.key FROM usage u LEFT JOIN object o ON o.id = u.id"
			   " WHERE u.id > ?1 ORDER BY u.id LIMIT ?2",
	[ROW_LOST_OBJECTS] = "SELECT o.id, u.id IS NULL, o.url FROM object o LEFT JOIN usage u"
			     " ON u.id = o.id WHERE o.id > ?1 ORDER BY o.id LIMIT ?2",
	/* From object to object; those that are still coming stand in orphan. */
	[ROW_LOST_PIECES] = "WITH RECURSIVE body(id) AS (SELECT ?1 UNION ALL"
			    " SELECT (SELECT c.id >> 20 FROM chunk c WHERE c.id >= (body.id + 1) << 20"
			    " ORDER BY c.id LIMIT 1) FROM body WHERE body.id IS NOT NULL LIMIT ?2)"
			    " SELECT id, id NOT IN (SELECT id FROM usage WHERE usage.id = body.id)"
			    " AND id NOT IN (SELECT id FROM orphan WHERE orphan.id = body.id), 0"
			    " FROM body WHERE id IS NOT NULL AND id <> ?1",
	[ROW_LOAD] = "SELECT id, key, size FROM usage WHERE id > ?1 ORDER BY id LIMIT ?2",
	[ROW_HITS] = "UPDATE usage SET hits = hits + ?2, used = unixepoch() WHERE id = ?1",
	[ROW_SET_NEXT_ID] = "UPDATE meta SET value = ?1 WHERE name = 'next_id'",
	[ROW_SET_BUDGET] = "INSERT INTO meta(name, value) VALUES ('budget_day', ?1),"
			   " ('budget_spent', ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
	[ROW_PAGE_COUNT] = "PRAGMA page_count",
	[ROW_FREE_COUNT] = "PRAGMA freelist_count",
	[ROW_DATA_VERSION] = "PRAGMA data_version",
	[ROW_SCHEMA_VERSION] = "PRAGMA schema_version",
};

int rows_open(struct disk_rows *rows, sqlite3 *db)
{
	*rows = (struct disk_rows){.db = db};
	for (size_t i = 0; i < COUNT(texts); i++) {
		int rc = sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &rows->stmts[i], NULL);

		if (rc != SQLITE_OK) {
			rows_close(rows);
			return rc;
		}
	}
	return SQLITE_OK;
}

void rows_close(struct disk_rows *rows)
{
	for (size_t i = 0; i < COUNT(rows->stmts); i++)
		sqlite3_finalize(rows->stmts[i]);
	sqlite3_close(rows->db);
	*rows = (struct disk_rows){0};
}

/* Steps a statement without results, and resets it. */
static int run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

sqlite3_stmt *rows_bind(struct disk_rows *rows, enum row_statement which, uint64_t a, uint64_t b)
{
	sqlite3_stmt *stmt = rows->stmts[which];
	int n = sqlite3_bind_parameter_count(stmt);

	if (n >= 1)
		sqlite3_bind_int64(stmt, 1, (int64_t)a);
	if (n >= 2)
		sqlite3_bind_int64(stmt, 2, (int64_t)b);
	return stmt;
}

int rows_run(struct disk_rows *rows, enum row_statement which, uint64_t a, uint64_t b)
{
	return run(rows_bind(rows, which, a, b));
}

int rows_number(struct disk_rows *rows, enum row_statement which, int64_t *out)
{
	sqlite3_stmt *stmt = rows->stmts[which];
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

int rows_begin(struct disk_rows *rows)
{
	return rows_run(rows, ROW_BEGIN, 0, 0);
}

int rows_commit(struct disk_rows *rows)
{
	return rows_run(rows, ROW_COMMIT, 0, 0);
}

void rows_rollback(struct disk_rows *rows)
{
	if (rows->db && !sqlite3_get_autocommit(rows->db))
		schema_run(rows->db, "ROLLBACK");
}

static uint64_t piece_id(uint64_t id, uint64_t piece)
{
	return id << SCHEMA_PIECE_BITS | piece;
}

int rows_add_piece(struct disk_rows *rows, uint64_t id, uint64_t piece, const void *bytes,
		   size_t len)
{
	sqlite3_stmt *stmt = rows_bind(rows, ROW_PIECE, piece_id(id, piece),
				       hash_crc32c(bytes, len));
	int rc;

	sqlite3_bind_blob(stmt, 3, bytes, (int)len, SQLITE_STATIC);
	rc = run(stmt);
	sqlite3_bind_null(stmt, 3);
	return rc;
}

static void bind_text(sqlite3_stmt *stmt, int at, struct str text)
{
	if (text.at && text.len > 0)
		sqlite3_bind_text(stmt, at, text.at, (int)text.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, at);
}

static void bind_time(sqlite3_stmt *stmt, int at, int64_t time_s)
{
	if (time_s != 0)
		sqlite3_bind_int64(stmt, at, time_s);
	else
		sqlite3_bind_null(stmt, at);
}

static void bind_tags(sqlite3_stmt *stmt, int at, struct str head)
{
	struct buf tags;

	buf_init(&tags, TAGS_MAX_BYTES);
	tags_read(head, &tags);
	if (tags.len > 0)
		sqlite3_bind_text(stmt, at, tags.at, (int)tags.len, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(stmt, at);
	buf_fini(&tags);
}

/* ?1, ?4, ?5 and ?7 to ?18, which ROW_OBJECT and ROW_UPDATE share. */
static void bind_head(sqlite3_stmt *stmt, uint64_t id, struct object *object)
{
	const struct freshness_facts *facts = &object->facts;
	struct str type = head_line_value(object->head, STR("Content-Type"));

	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	sqlite3_bind_int(stmt, 4, object->status);
	bind_text(stmt, 5, str_trim(str_first(type, str_find_char(type, ';'))));
	sqlite3_bind_int64(stmt, 7, facts->arrived_s);
	sqlite3_bind_int64(stmt, 8, facts->date_s);
	bind_time(stmt, 9, facts->expires_s);
	bind_time(stmt, 10, facts->modified_s);
	bind_text(stmt, 11, head_line_value(object->head, STR("ETag")));
	sqlite3_bind_int64(stmt, 12, facts->flags);
	sqlite3_bind_int64(stmt, 13, facts->stale_if_error_s);
	sqlite3_bind_int64(stmt, 14, facts->stale_while_revalidate_s);
	sqlite3_bind_text(stmt, 15, object->head.at ? object->head.at : "", (int)object->head.len,
			  SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 16, hash_crc32c(object->head.at, object->head.len));
	bind_tags(stmt, 17, object->head);
	bind_text(stmt, 18, object->decision);
}

int rows_add_object(struct disk_rows *rows, uint64_t id, uint64_t key, struct object *object,
		    uint64_t body_bytes)
{
	sqlite3_stmt *stmt = rows->stmts[ROW_OBJECT];
	sqlite3_stmt *usage = rows_bind(rows, ROW_USAGE, id, key);
	int rc;

	bind_head(stmt, id, object);
	sqlite3_bind_text(stmt, 2, object->url.at ? object->url.at : "", (int)object->url.len,
			  SQLITE_STATIC);
	bind_text(stmt, 3, object->vary);
	sqlite3_bind_int64(stmt, 6, (int64_t)body_bytes);
	rc = run(stmt);
	sqlite3_clear_bindings(stmt);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_int64(usage, 3, (int64_t)disk_cost(object, body_bytes));
	sqlite3_bind_int64(usage, 4, clock_wall_s());
	return run(usage);
}

int rows_update_head(struct disk_rows *rows, uint64_t id, struct object *object)
{
	sqlite3_stmt *stmt = rows->stmts[ROW_UPDATE];
	int rc;

	bind_head(stmt, id, object);
	rc = run(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

static void bind_words(sqlite3_stmt *stmt, int at, const char *words)
{
	enum { MAX_BYTES = 4096 };
	size_t len = strlen(words);

	sqlite3_bind_text(stmt, at, words, len < MAX_BYTES ? (int)len : MAX_BYTES, SQLITE_STATIC);
}

int rows_log_purge(struct disk_rows *rows, const char *who, const char *how, const char *what,
		   uint64_t objects, int64_t ms)
{
	enum { KEPT = 1000 };
	sqlite3_stmt *stmt = rows_bind(rows, ROW_LOG_PURGE, (uint64_t)clock_wall_s(), 0);
	int rc;

	bind_words(stmt, 2, who);
	bind_words(stmt, 3, how);
	bind_words(stmt, 4, what);
	sqlite3_bind_int64(stmt, 5, (int64_t)objects);
	if (ms >= 0)
		sqlite3_bind_int64(stmt, 6, ms);
	rc = run(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_OK ? rows_run(rows, ROW_TRIM_LOG, KEPT, 0) : rc;
}

static int collect(sqlite3_stmt *stmt, uint64_t *ids, unsigned max, unsigned *n)
{
	int rc;

	*n = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *n < max)
		ids[(*n)++] = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int rows_find_same(struct disk_rows *rows, uint64_t key, struct object *object, uint64_t *ids,
		   unsigned max, unsigned *n)
{
	sqlite3_stmt *stmt = rows->stmts[ROW_SAME];
	int rc;

	sqlite3_bind_int64(stmt, 1, (int64_t)key);
	sqlite3_bind_text(stmt, 2, object->url.at ? object->url.at : "", (int)object->url.len,
			  SQLITE_STATIC);
	bind_text(stmt, 3, object->vary);
	rc = collect(stmt, ids, max, n);
	sqlite3_clear_bindings(stmt);
	return rc;
}

int rows_find_key(struct disk_rows *rows, uint64_t key, uint64_t *ids, unsigned max, unsigned *n)
{
	return collect(rows_bind(rows, ROW_BY_KEY, key, 0), ids, max, n);
}

int rows_add_orphan(struct disk_rows *rows, uint64_t id)
{
	return rows_run(rows, ROW_ADD_ORPHAN, id, 0);
}

int rows_delete_orphan(struct disk_rows *rows, uint64_t id)
{
	return rows_run(rows, ROW_DELETE_ORPHAN, id, 0);
}

int rows_remove_pieces(struct disk_rows *rows, uint64_t id)
{
	int rc = rows_run(rows, ROW_DELETE_PIECES, piece_id(id, 0),
			  piece_id(id, (1 << SCHEMA_PIECE_BITS) - 1));

	return rc == SQLITE_OK ? rows_delete_orphan(rows, id) : rc;
}

int rows_remove(struct disk_rows *rows, uint64_t id, bool keep_pieces)
{
	int rc = rows_run(rows, ROW_DELETE_USAGE, id, 0);

	if (rc == SQLITE_OK)
		rc = rows_run(rows, ROW_DELETE_OBJECT, id, 0);
	if (rc != SQLITE_OK)
		return rc;
	return keep_pieces ? rows_add_orphan(rows, id) : rows_remove_pieces(rows, id);
}

int rows_used_bytes(struct disk_rows *rows, uint64_t *out)
{
	int64_t npages = 0, nfree = 0;
	int rc = rows_number(rows, ROW_PAGE_COUNT, &npages);

	if (rc == SQLITE_OK)
		rc = rows_number(rows, ROW_FREE_COUNT, &nfree);
	if (rc == SQLITE_OK)
		*out = npages > nfree ? (uint64_t)(npages - nfree) * SCHEMA_PAGE_BYTES : 0;
	return rc;
}

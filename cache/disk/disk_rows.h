/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_rows.h: rows of cache.db, written and removed: the writer's prepared statements.
 *
 * Threads: the writer's. Codes are SQLite's. Everything happens in the caller's transaction. */
#ifndef CACHE_DISK_ROWS_H
#define CACHE_DISK_ROWS_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/object.h"

enum row_statement {
	ROW_BEGIN,
	ROW_COMMIT,
	ROW_PIECE,
	ROW_OBJECT,
	ROW_USAGE,
	ROW_SAME,
	ROW_BY_KEY,
	ROW_UPDATE,
	ROW_DELETE_OBJECT,
	ROW_DELETE_USAGE,
	ROW_DELETE_PIECES,
	ROW_ADD_ORPHAN,
	ROW_DELETE_ORPHAN,
	ROW_ORPHANS,
	ROW_PURGED,
	ROW_DELETE_PURGED,
	ROW_MATCHABLE,
	ROW_MATCHABLE_BY_KEY,
	ROW_MARK_STALE,
	ROW_LOG_PURGE,
	ROW_TRIM_LOG,
	ROW_SWEEP,
	ROW_LOST_USAGE,   /* an id, is it lost, and a key or a URL: behind ?1, up to ?2 of them */
	ROW_LOST_OBJECTS,
	ROW_LOST_PIECES,
	ROW_LOAD,
	ROW_HITS,
	ROW_SET_NEXT_ID,
	ROW_SET_BUDGET,
	ROW_PAGE_COUNT,
	ROW_FREE_COUNT,
	ROW_DATA_VERSION,
	ROW_SCHEMA_VERSION,
	ROW_NSTATEMENTS
};

struct disk_rows {
	sqlite3 *db;
	sqlite3_stmt *stmts[ROW_NSTATEMENTS];
};

/* Takes db over, also on failure. */
int rows_open(struct disk_rows *rows, sqlite3 *db);
void rows_close(struct disk_rows *rows); /* fine when closed */

int rows_begin(struct disk_rows *rows);
int rows_commit(struct disk_rows *rows);
void rows_rollback(struct disk_rows *rows);

int rows_add_piece(struct disk_rows *rows, uint64_t id, uint64_t piece, const void *bytes,
		   size_t len);
int rows_add_object(struct disk_rows *rows, uint64_t id, uint64_t key, struct object *object,
		    uint64_t body_bytes);
int rows_update_head(struct disk_rows *rows, uint64_t id, struct object *object);

/* Up to max ids; *n says how many. */
int rows_find_same(struct disk_rows *rows, uint64_t key, struct object *object, uint64_t *ids,
		   unsigned max, unsigned *n);
int rows_find_key(struct disk_rows *rows, uint64_t key, uint64_t *ids, unsigned max, unsigned *n);

/* The object is not there any more; its pieces go too, or (keep_pieces) are noted as orphans. */
int rows_remove(struct disk_rows *rows, uint64_t id, bool keep_pieces);
int rows_remove_pieces(struct disk_rows *rows, uint64_t id); /* and the note */
int rows_add_orphan(struct disk_rows *rows, uint64_t id);
int rows_delete_orphan(struct disk_rows *rows, uint64_t id);

/* A line in purge_log; ms below 0: not known. */
int rows_log_purge(struct disk_rows *rows, const char *who, const char *how, const char *what,
		   uint64_t objects, int64_t ms);

/* Statements that the caller steps: reset and bound to one or two numbers. */
sqlite3_stmt *rows_bind(struct disk_rows *rows, enum row_statement which, uint64_t a, uint64_t b);
/* Runs one that gives no rows. */
int rows_run(struct disk_rows *rows, enum row_statement which, uint64_t a, uint64_t b);
/* Runs one that gives a number. */
int rows_number(struct disk_rows *rows, enum row_statement which, int64_t *out);
/* Bytes of the pages in use. */
int rows_used_bytes(struct disk_rows *rows, uint64_t *out);

#endif

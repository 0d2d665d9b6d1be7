/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads everything: each object in one short transaction, so that a running instance is not held
 * up, then what belongs to none. */
#include <inttypes.h>
#include <stdio.h>

#include "cache/disk/disk_stream.h"
#include "cache/disk/schema.h"
#include "cache/key.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/progress.h"
#include "proxy/ctl/store.h"

const char ctl_cache_verify_help[] =
	"Reads all of cache.db: SQLite's own check, the checksum of each head and each piece of\n"
	"a body, sizes, keys, and that no row lacks another. Exit status 1: something is wrong;\n"
	"a line says what. A running instance serves on meanwhile.\n";

struct verifying {
	sqlite3 *db;
	struct disk_source source;
	struct progress bar;
	uint64_t seed;
	int64_t nobjects, nwrong;
};

static void complain(struct verifying *verifying, int64_t id, const char *what)
{
	progress_clear(&verifying->bar);
	printf("object %" PRId64 ": %s\n", id, what);
	verifying->nwrong++;
}

/* ---- one object */

static const char *check_pieces(struct verifying *verifying, uint64_t id, uint64_t size)
{
	sqlite3_stmt *stmt = verifying->source.piece;

	for (uint64_t n = 0; n <= disk_npieces(size); n++) {
		uint64_t offset = n * DISK_PIECE_BYTES;
		uint64_t left = size > offset ? size - offset : 0;
		uint64_t len = left < DISK_PIECE_BYTES ? left : DISK_PIECE_BYTES;
		bool is_there, is_good;

		sqlite3_bind_int64(stmt, 1, (int64_t)(id << SCHEMA_PIECE_BITS | n));
		is_there = sqlite3_step(stmt) == SQLITE_ROW;
		is_good = is_there && (uint64_t)sqlite3_column_bytes(stmt, 1) == len &&
			  hash_crc32c(sqlite3_column_blob(stmt, 1), (size_t)len) ==
				  (uint32_t)sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
		if (n == disk_npieces(size))
			return is_there ? "there is more of its body than it says" : NULL;
		if (!is_there)
			return "a piece of its body is missing";
		if (!is_good)
			return "a piece of its body is not what was written";
	}
	return NULL;
}

static const char *check_one(struct verifying *verifying, uint64_t id, uint64_t key)
{
	struct disk_row row;
	const char *wrong = NULL;
	int code = 0;

	switch (disk_row_read(&verifying->source, id, true, &row, &code)) {
	case DISK_ROW_NONE:
		wrong = "there is nothing behind its row in usage";
		break;
	case DISK_ROW_BAD:
		wrong = "its head is not what was written";
		break;
	case DISK_ROW_FAULT:
		wrong = sqlite3_errstr(code);
		break;
	case DISK_ROW_FOUND:
		if (cache_key_fingerprint(row.url, verifying->seed) != key)
			wrong = "its key is not that of its URL";
		else
			wrong = check_pieces(verifying, id, (uint64_t)row.head.body_bytes);
	}
	sqlite3_reset(verifying->source.row);
	return wrong;
}

/* ---- all of them */

static int check_objects(struct verifying *verifying)
{
	sqlite3_stmt *next = store_prepare(verifying->db, "SELECT id, key FROM usage WHERE id > ?1"
							  " ORDER BY id LIMIT 1");
	int64_t total = store_number(verifying->db, "SELECT count(*) FROM usage", 0), at = 0;
	int status = next ? CTL_OK : CTL_FAILED, rc = SQLITE_ROW;

	while (status == CTL_OK && rc == SQLITE_ROW) {
		const char *wrong;

		status = store_run(verifying->db, "BEGIN");
		sqlite3_bind_int64(next, 1, at);
		rc = sqlite3_step(next);
		if (rc == SQLITE_ROW) {
			at = sqlite3_column_int64(next, 0);
			wrong = check_one(verifying, (uint64_t)at,
					  (uint64_t)sqlite3_column_int64(next, 1));
			if (wrong)
				complain(verifying, at, wrong);
			verifying->nobjects++;
		}
		sqlite3_reset(next);
		if (status == CTL_OK)
			status = store_run(verifying->db, "COMMIT");
		progress_show(&verifying->bar, (uint64_t)verifying->nobjects, (uint64_t)total);
	}
	sqlite3_finalize(next);
	if (status == CTL_OK && rc != SQLITE_DONE)
		status = store_complain(verifying->db);
	return status;
}

/* What belongs to nothing: the id of each such row. */
static int check_rest(struct verifying *verifying)
{
	static const struct {
		const char *sql, *what;
	} checks[] = {
		{"SELECT id FROM object WHERE id NOT IN (SELECT id FROM usage)",
		 "it has no row in usage"},
		{"SELECT DISTINCT id >> 20 FROM chunk WHERE id >> 20 NOT IN (SELECT id FROM object)"
		 " AND id >> 20 NOT IN (SELECT id FROM orphan)"
		 " AND id >> 20 NOT IN (SELECT object_id FROM purge)",
		 "pieces of a body without it"},
	};

	for (size_t i = 0; i < COUNT(checks); i++) {
		sqlite3_stmt *stmt = store_prepare(verifying->db, checks[i].sql);
		int rc = SQLITE_ERROR;

		while (stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
			complain(verifying, sqlite3_column_int64(stmt, 0), checks[i].what);
		sqlite3_finalize(stmt);
		if (rc != SQLITE_DONE)
			return store_complain(verifying->db);
	}
	return CTL_OK;
}

static int check_file(struct verifying *verifying)
{
	sqlite3_stmt *stmt = store_prepare(verifying->db, "PRAGMA quick_check(10)");
	int rc = SQLITE_ERROR;

	while (stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		if (text && str_eq(str_of(text), STR("ok")))
			continue;
		printf("%s\n", text ? text : "?");
		verifying->nwrong++;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? CTL_OK : store_complain(verifying->db);
}

/* Keys of all files are made by the first one's seed. */
static void take_seed(struct verifying *verifying)
{
	if (verifying->seed == 0)
		verifying->seed = (uint64_t)store_number(
			verifying->db, "SELECT value FROM meta WHERE name = 'seed'", 0);
}

static int use(sqlite3 *db, const char *path, void *user)
{
	struct verifying *verifying = user;
	int status;

	(void)path;
	verifying->db = verifying->source.db = db;
	take_seed(verifying);
	if (disk_source_prepare(&verifying->source) != SQLITE_OK)
		return store_complain(db);
	status = check_file(verifying);
	if (status == CTL_OK)
		status = check_objects(verifying);
	progress_clear(&verifying->bar);
	if (status == CTL_OK)
		status = check_rest(verifying);
	sqlite3_finalize(verifying->source.row);
	sqlite3_finalize(verifying->source.piece);
	sqlite3_finalize(verifying->source.by_key);
	return status;
}

int ctl_run_cache_verify(struct ctl *ctl, const struct ctl_args *args)
{
	struct verifying verifying = {0};
	int status;

	(void)args;
	progress_init(&verifying.bar);
	status = store_each(ctl, false, use, &verifying);
	if (status != CTL_OK)
		return status;
	printf("objects = %" PRId64 "\nwrong = %" PRId64 "\n", verifying.nobjects,
	       verifying.nwrong);
	return verifying.nwrong == 0 ? CTL_OK : CTL_FAILED;
}

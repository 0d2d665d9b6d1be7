/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/schema.h"
#include "lib/base/heap.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/progress.h"
#include "proxy/ctl/store.h"

enum option { HOST, PREFIX };

const struct ctl_option ctl_cache_export_options[] = {
	[HOST] = {"host", 0, "H", "only this site"},
	[PREFIX] = {"prefix", 0, "P", "only URLs that begin with P"},
	{0},
};

const char ctl_cache_export_help[] =
	"FILE must not exist yet. It is a cache.db of its own: another Bobtail can start from\n"
	"it (in its cache_dir, under the name cache.db), or import it.\n";

struct exporting {
	const char *host, *prefix;
	sqlite3 *to;
	struct progress bar;
	int64_t n, next_id;
	bool has_seed;
};

enum { OBJECTS_AT_ONCE = 256 };

static const char condition[] = "(?1 IS NULL OR host = ?1) AND"
				" (?2 IS NULL OR substr(url, 1, length(?2)) = ?2)";

/* One object under an id of its own, since several files may have the same ids. */
static int copy_one(struct exporting *exporting, int64_t from)
{
	static const char *const statements[] = {
		"INSERT INTO main.object(id, url, method, vary, status, type, size, stored, date, expires,"
		" modified, etag, flags, on_error, on_stale, header, crc, tags, decision)"
		" SELECT ?2, url, method, vary, status, type, size, stored, date, expires, modified,"
		" etag, flags, on_error, on_stale, header, crc, tags, decision"
		" FROM src.object WHERE id = ?1",
		"INSERT INTO main.usage(id, key, size, used, hits)"
		" SELECT ?2, key, size, used, hits FROM src.usage WHERE id = ?1",
		"INSERT INTO main.chunk(id, crc, data) SELECT (?2 << 20) | (id & 1048575), crc, data"
		" FROM src.chunk WHERE id BETWEEN ?1 << 20 AND ?1 << 20 | 1048575",
	};
	int64_t to = exporting->next_id++;

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		sqlite3_stmt *stmt = store_prepare(exporting->to, statements[i]);
		int rc;

		if (!stmt)
			return CTL_FAILED;
		sqlite3_bind_int64(stmt, 1, from);
		sqlite3_bind_int64(stmt, 2, to);
		rc = sqlite3_step(stmt);
		sqlite3_finalize(stmt);
		if (rc != SQLITE_DONE)
			return store_complain(exporting->to);
	}
	exporting->n++;
	return CTL_OK;
}

static void bind_filters(sqlite3_stmt *stmt, const struct exporting *exporting)
{
	if (exporting->host)
		sqlite3_bind_text(stmt, 1, exporting->host, -1, SQLITE_STATIC);
	if (exporting->prefix)
		sqlite3_bind_text(stmt, 2, exporting->prefix, -1, SQLITE_STATIC);
}

/* The ids behind *at, in one short transaction with their copies: rows and pieces go together. */
static int copy_some(struct exporting *exporting, int64_t *at, int *n)
{
	char *sql = mem_printf("SELECT id FROM src.cache WHERE id > ?3 AND %s ORDER BY id LIMIT %d",
			       condition, OBJECTS_AT_ONCE);
	sqlite3_stmt *stmt = store_prepare(exporting->to, sql);
	int64_t ids[OBJECTS_AT_ONCE];
	int status = stmt ? store_run(exporting->to, "BEGIN") : CTL_FAILED;

	mem_free(sql);
	*n = 0;
	if (status == CTL_OK) {
		bind_filters(stmt, exporting);
		sqlite3_bind_int64(stmt, 3, *at);
		while (*n < OBJECTS_AT_ONCE && sqlite3_step(stmt) == SQLITE_ROW)
			ids[(*n)++] = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	for (int i = 0; i < *n && status == CTL_OK; i++) {
		*at = ids[i];
		status = copy_one(exporting, ids[i]);
	}
	sqlite3_finalize(stmt);
	return status == CTL_OK ? store_run(exporting->to, "COMMIT") : status;
}

static int64_t count_all(const struct exporting *exporting)
{
	char *sql = mem_printf("SELECT count(*) FROM src.cache WHERE %s", condition);
	sqlite3_stmt *stmt = store_prepare(exporting->to, sql);
	int64_t n = 0;

	mem_free(sql);
	if (stmt)
		bind_filters(stmt, exporting);
	if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* src is attached, under the name that the statements give it. */
static int copy_file(struct exporting *exporting)
{
	int64_t total = count_all(exporting), at = 0;
	int n, status;

	do {
		status = copy_some(exporting, &at, &n);
		progress_show(&exporting->bar, (uint64_t)exporting->n, (uint64_t)total);
	} while (status == CTL_OK && n == OBJECTS_AT_ONCE);
	progress_clear(&exporting->bar);
	return status;
}

static int attach(sqlite3 *to, const char *path)
{
	sqlite3_stmt *stmt = store_prepare(to, "ATTACH ?1 AS src");
	int status = CTL_FAILED;

	if (stmt) {
		sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
		status = sqlite3_step(stmt) == SQLITE_DONE ? CTL_OK : store_complain(to);
	}
	sqlite3_finalize(stmt);
	return status;
}

/* Keys are made by the seed of the first file (proxy/server.c). */
static int take_seed(struct exporting *exporting)
{
	if (exporting->has_seed)
		return CTL_OK;
	exporting->has_seed = true;
	return store_run(exporting->to, "UPDATE main.meta SET value = (SELECT value FROM src.meta"
					" WHERE name = 'seed') WHERE name = 'seed'");
}

static int use(sqlite3 *db, const char *path, void *user)
{
	struct exporting *exporting = user;
	int status = attach(exporting->to, sqlite3_db_filename(db, "main")); /* without links */

	(void)path;
	if (status != CTL_OK)
		return status;
	status = take_seed(exporting);
	if (status == CTL_OK)
		status = copy_file(exporting);
	if (status == CTL_OK)
		status = store_run(exporting->to, "DETACH src");
	return status;
}

/* A file that lies still: no log beside it, readable by whoever gets it. */
static int finish(struct exporting *exporting)
{
	char *sql = mem_printf("UPDATE meta SET value = %" PRId64 " WHERE name = 'next_id';"
			       "PRAGMA journal_mode=DELETE", exporting->next_id);
	int status;

	status = store_run(exporting->to, sql);
	mem_free(sql);
	return status;
}

static sqlite3 *make_file(const char *path)
{
	struct err_text why = {""};
	sqlite3 *db = NULL;
	struct stat st;

	schema_setup_once();
	if (lstat(path, &st) == 0) {
		ctl_fail("%s: is there already", path);
		return NULL;
	}
	if (schema_open_writer(path, UINT64_C(1) << 46, &db, &why) != SCHEMA_EMPTY ||
	    schema_create(db, 1) != SQLITE_OK) {
		ctl_fail("%s", why.at[0] ? why.at : sqlite3_errmsg(db));
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, STORE_BUSY_MS);
	schema_keep_log(db, false);
	return db;
}

int ctl_run_cache_export(struct ctl *ctl, const struct ctl_args *args)
{
	const char *path = args->words[0];
	struct exporting exporting = {.host = ctl_given(args, HOST),
				      .prefix = ctl_given(args, PREFIX),
				      .next_id = 1};
	int status;

	exporting.to = make_file(path);
	if (!exporting.to)
		return CTL_FAILED;
	progress_init(&exporting.bar);
	status = store_each(ctl, false, use, &exporting);
	if (status == CTL_OK)
		status = finish(&exporting);
	sqlite3_close(exporting.to);
	if (status == CTL_OK)
		printf("exported = %" PRId64 "\n", exporting.n);
	else
		unlink(path);
	return status;
}

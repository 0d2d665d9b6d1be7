/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/store.h"

#include <string.h>

#include "cache/disk/schema.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"

int store_complain(sqlite3 *db)
{
	return ctl_fail("%s: %s", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
}

sqlite3_stmt *store_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		store_complain(db);
	return stmt;
}

int64_t store_number(sqlite3 *db, const char *sql, int64_t otherwise)
{
	int64_t n;

	return schema_number(db, sql, &n) == SQLITE_OK ? n : otherwise;
}

int store_run(sqlite3 *db, const char *sql)
{
	return schema_run(db, sql) == SQLITE_OK ? CTL_OK : store_complain(db);
}

static bool is_ours(sqlite3 *db, const char *path)
{
	if (store_number(db, "PRAGMA application_id", 0) != SCHEMA_APPLICATION_ID)
		ctl_fail("%s: %s", path, sqlite3_errcode(db) == SQLITE_OK ? "not a cache of Bobtail"
									  : sqlite3_errmsg(db));
	else if (store_number(db, "PRAGMA user_version", 0) != SCHEMA_VERSION)
		ctl_fail("%s: of another version; start bobtail with it to bring it up to date",
			 path);
	else
		return true;
	return false;
}

sqlite3 *store_open(const char *path, bool may_write)
{
	struct err_text why;
	sqlite3 *db;

	schema_setup_once();
	if (schema_open(path, may_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, NULL, &db,
			&why) != SQLITE_OK) {
		ctl_fail("%s: %s", path, why.at);
		return NULL;
	}
	sqlite3_busy_timeout(db, STORE_BUSY_MS);
	if (!is_ours(db, path)) {
		sqlite3_close(db);
		return NULL;
	}
	schema_run(db, "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY");
	return db;
}

static int use_one(const char *directory, bool may_write,
		   int (*use)(sqlite3 *db, const char *path, void *user), void *user)
{
	char *path = mem_printf("%s/cache.db", directory);
	sqlite3 *db = store_open(path, may_write);
	int status = db ? use(db, path, user) : CTL_FAILED;

	sqlite3_close(db);
	mem_free(path);
	return status;
}

int store_each(struct ctl *ctl, bool may_write,
	       int (*use)(sqlite3 *db, const char *path, void *user), void *user)
{
	const struct config *config = ctl_config(ctl);
	int status = CTL_OK;

	if (!config)
		return CTL_FAILED;
	if (!config->cache_dirs->first)
		return ctl_fail("%s has no cache_dir: there is nothing on disk", config->path);
	for (const struct cache_dir *dir = config->cache_dirs->first; dir && status == CTL_OK;
	     dir = dir->next)
		status = use_one(dir->path.at, may_write, use, user);
	return status;
}

/* ---- several files as one */

static int attach(sqlite3 *db, const char *path, unsigned number)
{
	char *sql = mem_printf("ATTACH ?1 AS d%u", number);
	sqlite3_stmt *stmt = store_prepare(db, sql);
	int status = CTL_FAILED;

	mem_free(sql);
	if (!stmt)
		return CTL_FAILED;
	sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_DONE)
		status = CTL_OK;
	else
		ctl_fail("%s: %s", path, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	return status;
}

static int add_file(sqlite3 **db, const char *directory, unsigned number)
{
	char *path = mem_printf("%s/cache.db", directory);
	sqlite3 *one = store_open(path, false);
	int status = one ? CTL_OK : CTL_FAILED;

	if (!*db) {
		*db = one;
	} else if (one) {
		status = attach(*db, sqlite3_db_filename(one, "main"), number);
		sqlite3_close(one);
	}
	mem_free(path);
	return status;
}

/* A view in "temp" hides what has the same name in the files, from our statements though not from
 * the files' own views. */
static void add_union(struct buf *sql, sqlite3 *db, const char *name)
{
	const char *file, *word = "AS SELECT";

	buf_printf(sql, "CREATE TEMP VIEW %s ", name);
	for (int i = 0; (file = sqlite3_db_name(db, i)) != NULL; i++) {
		if (strcmp(file, "temp") == 0)
			continue;
		buf_printf(sql, "%s * FROM %s.%s ", word, file, name);
		word = "UNION ALL SELECT";
	}
	buf_add_str(sql, STR(";\n"));
}

static int unite(sqlite3 *db)
{
	enum { MAX_SQL_BYTES = 8192 };
	static const char *const names[] = {"object", "usage", "cache"};
	struct buf sql;
	int status;

	buf_init(&sql, MAX_SQL_BYTES);
	for (size_t i = 0; i < COUNT(names); i++)
		add_union(&sql, db, names[i]);
	buf_add_str(&sql, STR("CREATE TEMP VIEW host AS"
			      " SELECT host, count(*) AS objects, round(sum(size) / 1e6, 1) AS MB,"
			      " sum(hits) AS hits FROM cache GROUP BY host;\n"
			      "CREATE TEMP VIEW hottest AS SELECT * FROM cache WHERE hits > 0"
			      " ORDER BY hits DESC;\n"));
	buf_add_char(&sql, '\0');
	status = store_run(db, sql.at);
	buf_fini(&sql);
	return status;
}

sqlite3 *store_open_all(struct ctl *ctl, int *status)
{
	const struct config *config = ctl_config(ctl);
	sqlite3 *db = NULL;
	unsigned number = 0;

	*status = CTL_FAILED;
	if (!config)
		return NULL;
	if (!config->cache_dirs->first) {
		ctl_fail("%s has no cache_dir: there is nothing on disk", config->path);
		return NULL;
	}
	*status = CTL_OK;
	for (const struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next)
		if (add_file(&db, dir->path.at, ++number) != CTL_OK)
			*status = CTL_FAILED;
	if (db && unite(db) == CTL_OK)
		return db;
	sqlite3_close(db);
	*status = CTL_FAILED;
	return NULL;
}

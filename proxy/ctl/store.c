/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/store.h"

#include "cache/schema.h"
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
	int flags = (may_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
		    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	sqlite3 *db = NULL;

	schema_setup_once();
	if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
		ctl_fail("%s: %s", path, sqlite3_errmsg(db));
		sqlite3_close(db);
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

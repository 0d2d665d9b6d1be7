/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/schema_views.h"

#include "cache/disk/schema.h"
#include "lib/base/check.h"
#include "lib/base/str.h"

#define ID "id, rowid, oid, _rowid_" /* a trigger goes by the name that is typed */

#define EXPIRE_TRIGGER(view)                                                                       \
	"CREATE TRIGGER " view "_expire INSTEAD OF UPDATE OF expires ON " view " BEGIN\n"           \
	"  UPDATE object SET expires = CASE typeof(new.expires) WHEN 'text'\n"                     \
	"    THEN unixepoch(new.expires, 'utc') ELSE CAST(new.expires AS INTEGER) END\n"           \
	"  WHERE id = old.id;\n"                                                                   \
	"END"
#define DELETE_TRIGGER(view)                                                                       \
	"CREATE TRIGGER " view "_delete INSTEAD OF DELETE ON " view " BEGIN\n"                      \
	"  DELETE FROM object WHERE id = old.id;\n"                                                \
	"END"
#define REFUSE_TRIGGER(table, when, reason)                                                        \
	"CREATE TRIGGER " table "_" when " BEFORE " when " ON " table " BEGIN\n"                    \
	"  SELECT RAISE(ABORT, '" reason "');\n"                                                   \
	"END"

/* What a person may type is let through by triggers, which fire on every connection but ours
 * (SQLITE_DBCONFIG_ENABLE_TRIGGER): each row that goes or is marked stale leaves a line in `purge`,
 * whichever table or view it was deleted from. What would make rows contradict each other is
 * refused. A refusal's text is shown to who typed it. docs/CACHE.md explains all of it. */
static const char *const views[] = {
	"CREATE TRIGGER object_deleted AFTER DELETE ON object BEGIN\n"
	"  INSERT INTO purge(object_id, key, what, url)\n"
	"    SELECT id, key, 'deleted', old.url FROM usage WHERE id = old.id;\n"
	"  DELETE FROM usage WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER usage_deleted AFTER DELETE ON usage BEGIN\n"
	"  INSERT INTO purge(object_id, key, what, url)\n"
	"    SELECT old.id, old.key, 'deleted', url FROM object WHERE id = old.id;\n"
	"  DELETE FROM object WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER object_changed AFTER UPDATE OF expires, flags ON object BEGIN\n"
	"  INSERT INTO purge(object_id, key, what, url)\n"
	"    SELECT id, key, 'changed', new.url FROM usage WHERE id = new.id;\n"
	"  UPDATE object SET flags = flags | 256\n" /* FACT_MARKED_STALE */
	"    WHERE id = new.id AND expires <= unixepoch() AND expires IS NOT old.expires;\n"
	"END",

	REFUSE_TRIGGER("object", "insert", "only the proxy adds objects"),
	"CREATE TRIGGER object_update BEFORE UPDATE OF " ID ", url, method, vary, status, type, size, stored,\n"
	"    date, modified, etag, on_error, on_stale, header, crc, tags ON object BEGIN\n"
	"  SELECT RAISE(ABORT, 'only expires, flags and decision may be changed');\n"
	"END",
	REFUSE_TRIGGER("usage", "insert", "only the proxy adds objects"),
	"CREATE TRIGGER usage_update BEFORE UPDATE OF " ID ", key, size ON usage BEGIN\n"
	"  SELECT RAISE(ABORT, 'only used and hits may be changed');\n"
	"END",
	REFUSE_TRIGGER("chunk", "insert", "only the proxy writes bodies"),
	REFUSE_TRIGGER("chunk", "update", "only the proxy writes bodies"),
	REFUSE_TRIGGER("chunk", "delete", "delete from cache or object: the bodies follow"),
	REFUSE_TRIGGER("meta", "insert", "meta is the proxy''s own"),
	REFUSE_TRIGGER("meta", "update", "meta is the proxy''s own"),
	REFUSE_TRIGGER("meta", "delete", "meta is the proxy''s own"),
	REFUSE_TRIGGER("orphan", "insert", "orphan is the proxy''s own"),
	REFUSE_TRIGGER("orphan", "update", "orphan is the proxy''s own"),
	REFUSE_TRIGGER("orphan", "delete", "orphan is the proxy''s own"),
	"CREATE TRIGGER purge_insert BEFORE INSERT ON purge WHEN new.what = 'deleted'\n"
	"    AND EXISTS (SELECT 1 FROM usage WHERE id = new.object_id)\n"
	"    AND EXISTS (SELECT 1 FROM object WHERE id = new.object_id) BEGIN\n"
	"  SELECT RAISE(ABORT, 'delete from cache or object: purge follows');\n"
	"END",
	REFUSE_TRIGGER("purge", "update", "purge is read and emptied by the proxy"),
	REFUSE_TRIGGER("purge", "delete", "purge is read and emptied by the proxy"),
	REFUSE_TRIGGER("purge_log", "insert", "purge_log is written by the proxy"),
	REFUSE_TRIGGER("purge_log", "update", "purge_log is written by the proxy"),

	"CREATE VIEW cache AS                   -- what is cached\n"
	"SELECT o.id,\n"
	"       o.status,\n"
	"       CASE WHEN o.expires IS NULL THEN 'heuristic'\n"
	"            WHEN o.expires > unixepoch() THEN 'fresh' ELSE 'stale' END AS state,\n"
	"       o.size,\n"
	"       u.hits,\n"
	"       datetime(u.used, 'unixepoch', 'localtime')    AS last_used,\n"
	"       datetime(o.stored, 'unixepoch', 'localtime')  AS stored,\n"
	"       datetime(o.expires, 'unixepoch', 'localtime') AS expires,\n"
	"       o.type,\n"
	"       substr(substr(o.url, instr(o.url, '://') + 3), 1,\n"
	"              instr(substr(o.url, instr(o.url, '://') + 3) || '/', '/') - 1) AS host,\n"
	"       o.url,\n"
	"       o.vary,\n"
	"       o.tags\n"
	"FROM object o JOIN usage u USING (id)",
	DELETE_TRIGGER("cache"),
	EXPIRE_TRIGGER("cache"),
	"CREATE TRIGGER cache_update INSTEAD OF UPDATE OF id, status, state, size, hits, last_used, stored,\n"
	"    type, host, url, vary, tags ON cache BEGIN\n"
	"  SELECT RAISE(ABORT, 'only expires may be changed');\n"
	"END",

	"CREATE VIEW expiring AS                -- what expires, the next first\n"
	"SELECT c.id, c.expires, o.expires - unixepoch() AS seconds, c.hits, c.size, c.url\n"
	"FROM cache c JOIN object o USING (id) WHERE o.expires > unixepoch() ORDER BY o.expires",
	DELETE_TRIGGER("expiring"),
	EXPIRE_TRIGGER("expiring"),

	"CREATE VIEW biggest AS                 -- what takes most room\n"
	"SELECT id, size, hits, type, state, expires, url FROM cache ORDER BY size DESC",
	DELETE_TRIGGER("biggest"),
	EXPIRE_TRIGGER("biggest"),

	"CREATE VIEW hottest AS                 -- what is asked for most\n"
	"SELECT id, hits, last_used, size, state, expires, url FROM cache WHERE hits > 0\n"
	"ORDER BY hits DESC",
	DELETE_TRIGGER("hottest"),
	EXPIRE_TRIGGER("hottest"),

	"CREATE VIEW tag AS                     -- a line per tag of an object\n"
	"WITH RECURSIVE word(id, tag, rest) AS (\n"
	"  SELECT id, NULL, tags FROM object WHERE tags IS NOT NULL\n"
	"  UNION ALL\n"
	"  SELECT id, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1)\n"
	"  FROM word WHERE instr(rest, ' ') > 0)\n"
	"SELECT w.tag, w.id, o.size, o.url FROM word w JOIN object o USING (id)\n"
	"WHERE w.tag IS NOT NULL",
	DELETE_TRIGGER("tag"),

	"CREATE VIEW content AS                 -- a body in one piece (binary: CAST(text AS BLOB))\n"
	"SELECT o.id, o.url, o.type,\n"
	"       (SELECT group_concat(CAST(data AS TEXT), '')\n"
	"        FROM (SELECT data FROM chunk WHERE chunk.id BETWEEN o.id << 20 AND o.id << 20 | 1048575\n"
	"              ORDER BY chunk.id)) AS text\n"
	"FROM object o",
	DELETE_TRIGGER("content"),

	"CREATE VIEW host AS                    -- a line per site\n"
	"SELECT host, count(*) AS objects, round(sum(size) / 1e6, 1) AS MB, sum(hits) AS hits,\n"
	"       sum(state = 'stale') AS stale, max(last_used) AS last_used\n"
	"FROM cache GROUP BY host ORDER BY sum(size) DESC",
	"CREATE TRIGGER host_delete INSTEAD OF DELETE ON host BEGIN\n"
	"  DELETE FROM cache WHERE host = old.host;\n"
	"END",

	"CREATE VIEW purged AS                  -- what was purged, when and by whom, the last first\n"
	"SELECT id, datetime(at, 'unixepoch', 'localtime') AS at, who, how, what, objects, ms\n"
	"FROM purge_log ORDER BY id DESC",
	"CREATE TRIGGER purged_delete INSTEAD OF DELETE ON purged BEGIN\n"
	"  DELETE FROM purge_log WHERE id = old.id;\n"
	"END",

	"CREATE VIEW summary AS\n"
	"SELECT count(*) AS objects, round(coalesce(sum(o.size), 0) / 1e6, 1) AS body_MB,\n"
	"       coalesce(sum(u.hits), 0) AS hits,\n"
	"       round(coalesce(sum(u.size), 0) / 1e6, 1) AS disk_MB,\n"
	"       datetime(min(u.used), 'unixepoch', 'localtime') AS coldest\n"
	"FROM object o JOIN usage u USING (id)",
};

int schema_make_views(sqlite3 *db)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < COUNT(views) && rc == SQLITE_OK; i++)
		rc = schema_run(db, views[i]);
	return rc;
}

/* ---- those that are missing, or are not as they ought to be */

static int is_there(sqlite3 *db, const char *sql, bool *out)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_schema WHERE sql = ?1", -1, &stmt,
				    NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_text(stmt, 1, sql, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	*out = rc == SQLITE_ROW;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* `CREATE type name …` in place of what has that name. */
static int put(sqlite3 *db, const char *sql)
{
	struct str rest = str_of(sql), create, type, name;
	char *drop;
	int rc;

	check(str_split(&rest, ' ', &create) && str_split(&rest, ' ', &type) &&
	      str_split(&rest, ' ', &name));
	drop = sqlite3_mprintf("DROP %.*s IF EXISTS %.*s", STR_ARG(type), STR_ARG(name));
	rc = drop ? schema_run(db, drop) : SQLITE_NOMEM;
	sqlite3_free(drop);
	return rc == SQLITE_OK ? schema_run(db, sql) : rc;
}

/* A view's triggers go with it; they come behind it, and are missed then. */
static int put_missing(sqlite3 *db)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < COUNT(views) && rc == SQLITE_OK; i++) {
		bool is_found = false;

		rc = is_there(db, views[i], &is_found);
		if (rc == SQLITE_OK && !is_found)
			rc = put(db, views[i]);
	}
	return rc;
}

static bool are_all_there(sqlite3 *db)
{
	bool is_found = true;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < COUNT(views) && rc == SQLITE_OK && is_found; i++)
		rc = is_there(db, views[i], &is_found);
	return rc != SQLITE_OK || is_found;
}

void schema_mend_views(sqlite3 *db)
{
	if (are_all_there(db) || schema_run(db, "BEGIN IMMEDIATE") != SQLITE_OK)
		return;
	if (put_missing(db) != SQLITE_OK || schema_run(db, "COMMIT") != SQLITE_OK)
		schema_run(db, "ROLLBACK");
}

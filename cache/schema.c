/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/schema.h"

#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"

/* What a person may type is let through by triggers, which fire on every connection but ours
 * (SQLITE_DBCONFIG_ENABLE_TRIGGER): each row that goes leaves a line in `purge`, written when its
 * usage row goes, whichever table it was deleted from. What would make rows contradict each other
 * is refused. A refusal's text is shown to who typed it. */
static const char *const statements[] = {
	"CREATE TABLE meta (\n"
	"  name  TEXT    PRIMARY KEY,           -- seed: of the keys; next_id: above every id in use\n"
	"  value INTEGER NOT NULL\n"
	") STRICT",

	"CREATE TABLE object (                  -- one stored response (one variant of one URL)\n"
	"  id       INTEGER PRIMARY KEY,        -- handed out in order, never again\n"
	"  url      TEXT    NOT NULL,\n"
	"  method   TEXT    NOT NULL DEFAULT 'GET',\n"
	"  vary     TEXT,                       -- request fields that this variant answers; NULL: any\n"
	"  status   INTEGER NOT NULL,\n"
	"  type     TEXT,                       -- Content-Type without parameters\n"
	"  size     INTEGER NOT NULL,           -- bytes of the body\n"
	"  stored   INTEGER NOT NULL,           -- when it came; unix seconds, as are all times\n"
	"  date     INTEGER NOT NULL,           -- when the origin made it\n"
	"  expires  INTEGER,                    -- fresh until, as told; NULL: not told\n"
	"  modified INTEGER,                    -- Last-Modified\n"
	"  etag     TEXT,\n"
	"  flags    INTEGER NOT NULL,           -- what it said of its use, a bit each; 1: ask the origin\n"
	"  on_error INTEGER NOT NULL,           -- stale-if-error, seconds\n"
	"  on_stale INTEGER NOT NULL,           -- stale-while-revalidate, seconds\n"
	"  header   TEXT    NOT NULL,           -- status line and fields\n"
	"  crc      INTEGER NOT NULL,           -- CRC-32C of header\n"
	"  tags     TEXT,                       -- Surrogate-Key, Cache-Tag\n"
	"  decision TEXT                        -- why it was stored\n"
	") STRICT",

	"CREATE TABLE usage (                   -- a small row per object: read whole at the start\n"
	"  id   INTEGER PRIMARY KEY,            -- object.id\n"
	"  key  INTEGER NOT NULL,               -- hash of method and url, by meta's seed\n"
	"  size INTEGER NOT NULL,               -- bytes that it costs of the cap\n"
	"  used INTEGER NOT NULL,               -- last hit, some minutes old\n"
	"  hits INTEGER NOT NULL DEFAULT 0\n"
	") STRICT",
	"CREATE INDEX usage_key ON usage(key)",

	"CREATE TABLE chunk (                   -- bodies in pieces of 66500 bytes\n"
	"  id   INTEGER PRIMARY KEY,            -- object.id * 1048576 + number of the piece\n"
	"  crc  INTEGER NOT NULL,               -- CRC-32C of data\n"
	"  data BLOB    NOT NULL\n"
	") STRICT",

	"CREATE TABLE orphan (                  -- objects whose pieces are still coming, or to be swept\n"
	"  id INTEGER PRIMARY KEY\n"
	") STRICT",

	"CREATE TABLE purge (                   -- what SQL typed elsewhere did; read and emptied\n"
	"  id        INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"  object_id INTEGER NOT NULL,\n"
	"  key       INTEGER NOT NULL,\n"
	"  what      TEXT    NOT NULL,          -- deleted, changed\n"
	"  who       TEXT,\n"
	"  at        INTEGER NOT NULL DEFAULT (unixepoch())\n"
	") STRICT",

	"CREATE TRIGGER object_deleted AFTER DELETE ON object BEGIN\n"
	"  DELETE FROM usage WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER usage_deleted AFTER DELETE ON usage BEGIN\n"
	"  INSERT INTO purge(object_id, key, what) VALUES (old.id, old.key, 'deleted');\n"
	"  DELETE FROM object WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER object_changed AFTER UPDATE OF expires ON object BEGIN\n"
	"  INSERT INTO purge(object_id, key, what)\n"
	"    SELECT id, key, 'changed' FROM usage WHERE id = new.id;\n"
	"  UPDATE object SET flags = flags | 1 WHERE id = new.id AND expires <= unixepoch();\n"
	"END",

	"CREATE TRIGGER object_insert BEFORE INSERT ON object BEGIN\n"
	"  SELECT RAISE(ABORT, 'only the proxy adds objects');\n"
	"END",
	"CREATE TRIGGER object_update BEFORE UPDATE OF id, url, method, vary, status, type, size, stored,\n"
	"    date, modified, etag, on_error, on_stale, header, crc ON object BEGIN\n"
	"  SELECT RAISE(ABORT, 'only expires, flags, tags and decision may be changed');\n"
	"END",
	"CREATE TRIGGER usage_insert BEFORE INSERT ON usage BEGIN\n"
	"  SELECT RAISE(ABORT, 'only the proxy adds objects');\n"
	"END",
	"CREATE TRIGGER usage_update BEFORE UPDATE OF id, key, size ON usage BEGIN\n"
	"  SELECT RAISE(ABORT, 'only used and hits may be changed');\n"
	"END",
	"CREATE TRIGGER chunk_insert BEFORE INSERT ON chunk BEGIN\n"
	"  SELECT RAISE(ABORT, 'only the proxy writes bodies');\n"
	"END",
	"CREATE TRIGGER chunk_update BEFORE UPDATE ON chunk BEGIN\n"
	"  SELECT RAISE(ABORT, 'only the proxy writes bodies');\n"
	"END",
	"CREATE TRIGGER chunk_delete BEFORE DELETE ON chunk BEGIN\n"
	"  SELECT RAISE(ABORT, 'delete from cache or object: the bodies follow');\n"
	"END",

	"CREATE VIEW cache AS                   -- what a person wants to see\n"
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
	"       o.vary\n"
	"FROM object o JOIN usage u USING (id)",
	"CREATE TRIGGER cache_delete INSTEAD OF DELETE ON cache BEGIN\n"
	"  DELETE FROM object WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER cache_expire INSTEAD OF UPDATE OF expires ON cache BEGIN\n"
	"  UPDATE object SET expires = CASE typeof(new.expires) WHEN 'text'\n"
	"    THEN unixepoch(new.expires, 'utc') ELSE CAST(new.expires AS INTEGER) END\n"
	"  WHERE id = old.id;\n"
	"END",
	"CREATE TRIGGER cache_update INSTEAD OF UPDATE OF id, status, state, size, hits, last_used, stored,\n"
	"    type, host, url, vary ON cache BEGIN\n"
	"  SELECT RAISE(ABORT, 'only expires may be changed');\n"
	"END",

	"CREATE VIEW content AS                 -- a body in one piece (binary: CAST(text AS BLOB))\n"
	"SELECT o.id, o.url, o.type,\n"
	"       (SELECT group_concat(CAST(data AS TEXT), '')\n"
	"        FROM (SELECT data FROM chunk WHERE chunk.id BETWEEN o.id << 20 AND o.id << 20 | 1048575\n"
	"              ORDER BY chunk.id)) AS text\n"
	"FROM object o",
	"CREATE TRIGGER content_delete INSTEAD OF DELETE ON content BEGIN\n"
	"  DELETE FROM object WHERE id = old.id;\n"
	"END",

	"CREATE VIEW host AS                    -- a line per site\n"
	"SELECT host, count(*) AS objects, round(sum(size) / 1e6, 1) AS MB, sum(hits) AS hits,\n"
	"       sum(state = 'stale') AS stale, max(last_used) AS last_used\n"
	"FROM cache GROUP BY host ORDER BY sum(size) DESC",
	"CREATE TRIGGER host_delete INSTEAD OF DELETE ON host BEGIN\n"
	"  DELETE FROM cache WHERE host = old.host;\n"
	"END",

	"CREATE VIEW summary AS\n"
	"SELECT count(*) AS objects, round(coalesce(sum(o.size), 0) / 1e6, 1) AS body_MB,\n"
	"       coalesce(sum(u.hits), 0) AS hits,\n"
	"       round(coalesce(sum(u.size), 0) / 1e6, 1) AS disk_MB,\n"
	"       datetime(min(u.used), 'unixepoch', 'localtime') AS coldest\n"
	"FROM object o JOIN usage u USING (id)",
};

static void setup(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 64);
	/* No pages set aside in advance: an idle proxy is small. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	sqlite3_initialize();
}

void schema_setup_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, setup);
}

int schema_run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int schema_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*out = sqlite3_column_int64(stmt, 0);
		rc = SQLITE_OK;
	} else if (rc == SQLITE_DONE) {
		rc = SQLITE_NOTFOUND;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int make_tables(sqlite3 *db, uint64_t seed)
{
	char *tail = sqlite3_mprintf("INSERT INTO meta VALUES ('seed', %lld), ('next_id', 1);"
				     "PRAGMA application_id=%d; PRAGMA user_version=%d",
				     (long long)seed, SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	int rc = SQLITE_OK;

	for (size_t i = 0; i < COUNT(statements) && rc == SQLITE_OK; i++)
		rc = schema_run(db, statements[i]);
	if (rc == SQLITE_OK)
		rc = tail ? schema_run(db, tail) : SQLITE_NOMEM;
	sqlite3_free(tail);
	return rc;
}

int schema_create(sqlite3 *db, uint64_t seed)
{
	int rc = schema_run(db, "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL;"
				"PRAGMA journal_mode=WAL; BEGIN IMMEDIATE");

	if (rc != SQLITE_OK)
		return rc;
	rc = make_tables(db, seed);
	if (rc == SQLITE_OK)
		rc = schema_run(db, "COMMIT");
	if (rc != SQLITE_OK)
		schema_run(db, "ROLLBACK");
	return rc;
}

static enum schema_state state_of_code(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_ERROR: /* a table that should be there is not */
	case SQLITE_MISMATCH:
	case SQLITE_NOTFOUND:
		return SCHEMA_DAMAGED;
	default:
		return rc == SQLITE_IOERR_SHORT_READ ? SCHEMA_DAMAGED : SCHEMA_UNREADABLE;
	}
}

/* Touches each table once, so that a file cut short or without its tables shows it now. */
static int touch_tables(sqlite3 *db)
{
	static const char *const probes[] = {
		"SELECT value FROM meta WHERE name='seed'",
		"SELECT value FROM meta WHERE name='next_id'",
		("SELECT count(*) FROM (SELECT id,url,method,vary,status,type,size,stored,date,"
		 "expires,modified,etag,flags,on_error,on_stale,header,crc FROM object LIMIT 1)"),
		"SELECT count(*) FROM (SELECT id,key,size,used,hits FROM usage LIMIT 1)",
		"SELECT count(*) FROM (SELECT id,crc FROM chunk LIMIT 1)",
		"SELECT count(*) FROM (SELECT id FROM orphan LIMIT 1)",
		"SELECT count(*) FROM (SELECT id,object_id,key,what FROM purge LIMIT 1)",
	};
	int64_t n;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < COUNT(probes) && rc == SQLITE_OK; i++)
		rc = schema_number(db, probes[i], &n);
	return rc;
}

static enum schema_state look_inside(sqlite3 *db, const char *path, struct err_text *why)
{
	int64_t application = 0, version = 0, ntables = 0;
	int rc = schema_number(db, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = schema_number(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = schema_number(db, "SELECT count(*) FROM sqlite_schema", &ntables);
	if (rc == SQLITE_OK && application == 0 && ntables == 0)
		return SCHEMA_EMPTY;
	if (rc == SQLITE_OK && application != SCHEMA_APPLICATION_ID) {
		err_say(why, "%s is another program's database", path);
		return SCHEMA_FOREIGN;
	}
	if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
		err_say(why, "%s was made by a newer version (schema %lld, this is %d)", path,
			(long long)version, SCHEMA_VERSION);
		return SCHEMA_NEWER;
	}
	if (rc == SQLITE_OK)
		rc = touch_tables(db);
	if (rc == SQLITE_OK)
		return SCHEMA_OURS;
	err_say(why, "%s: %s", path, sqlite3_errmsg(db));
	return state_of_code(rc);
}

static int prepare_writer(sqlite3 *db, uint64_t max_bytes)
{
	char sql[512];

	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_snprintf(sizeof(sql), sql,
			 "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-2048;"
			 "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=16777216;"
			 "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;"
			 "PRAGMA max_page_count=%llu",
			 max_bytes / SCHEMA_PAGE_BYTES);
	return schema_run(db, sql);
}

enum schema_state schema_open_writer(const char *path, uint64_t max_bytes, sqlite3 **db,
				     struct err_text *why)
{
	static const int flags =
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	enum schema_state state = SCHEMA_UNREADABLE;
	sqlite3 *opened = NULL;
	int rc = sqlite3_open_v2(path, &opened, flags, NULL);

	*db = NULL;
	if (rc != SQLITE_OK) {
		err_say(why, "cannot open %s: %s", path, sqlite3_errstr(rc));
		state = state_of_code(rc);
		goto fail;
	}
	sqlite3_extended_result_codes(opened, 1);
	sqlite3_busy_timeout(opened, 1000); /* recovery after a crash, or a shell at work */
	state = look_inside(opened, path, why);
	if (state != SCHEMA_EMPTY && state != SCHEMA_OURS)
		goto fail;
	if (sqlite3_db_readonly(opened, "main") == 1) {
		err_say(why, "%s cannot be written", path);
		state = SCHEMA_UNREADABLE;
		goto fail;
	}
	rc = prepare_writer(opened, max_bytes);
	if (rc != SQLITE_OK) {
		err_say(why, "%s: %s", path, sqlite3_errmsg(opened));
		state = state_of_code(rc);
		goto fail;
	}
	sqlite3_busy_timeout(opened, 0); /* from now on the queue waits, not the thread */
	*db = opened;
	return state;
fail:
	sqlite3_close(opened);
	return state;
}

int schema_open_reader(const char *path, sqlite3 **db)
{
	static const int flags =
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	sqlite3 *opened = NULL;
	int rc = sqlite3_open_v2(path, &opened, flags, NULL);

	*db = NULL;
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(opened, 1);
		sqlite3_busy_timeout(opened, 1000);
		rc = schema_run(opened, "PRAGMA query_only=1; PRAGMA cache_size=-512;"
					"PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF");
	}
	if (rc != SQLITE_OK) {
		sqlite3_close(opened);
		return rc;
	}
	*db = opened;
	return SQLITE_OK;
}

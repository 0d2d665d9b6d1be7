/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/schema.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/disk/disk_vfs.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

#define PURGE_LOG \
	"CREATE TABLE purge_log (               -- the last purges; the view purged shows it\n" \
	"  id      INTEGER PRIMARY KEY AUTOINCREMENT,\n" \
	"  at      INTEGER NOT NULL,\n" \
	"  who     TEXT    NOT NULL,            -- a client's address, a user, or sqlite3\n" \
	"  how     TEXT    NOT NULL,            -- deleted, stale\n" \
	"  what    TEXT    NOT NULL,            -- url, host, prefix, regex, tag, where; and its text\n" \
	"  objects INTEGER NOT NULL,            -- rows of this file\n" \
	"  ms      INTEGER                      -- time taken; NULL: not known\n" \
	") STRICT"

/* What a person may type is let through by triggers, which fire on every connection but ours
 * (SQLITE_DBCONFIG_ENABLE_TRIGGER): each row that goes or is marked stale leaves a line in `purge`,
 * whichever table or view it was deleted from. What would make rows contradict each other is
 * refused. A refusal's text is shown to who typed it. docs/CACHE.md explains all of it. */
static const char *const tables[] = {
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
	"  tags     TEXT,                       -- Surrogate-Key, Cache-Tag: each with a space behind\n"
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
	"  who       TEXT,                      -- NULL: a shell\n"
	"  at        INTEGER NOT NULL DEFAULT (unixepoch()),\n"
	"  url       TEXT\n"
	") STRICT",

	PURGE_LOG,
};

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

/* Made anew by each migration. */
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
	"CREATE TRIGGER object_update BEFORE UPDATE OF id, url, method, vary, status, type, size, stored,\n"
	"    date, modified, etag, on_error, on_stale, header, crc, tags ON object BEGIN\n"
	"  SELECT RAISE(ABORT, 'only expires, flags and decision may be changed');\n"
	"END",
	REFUSE_TRIGGER("usage", "insert", "only the proxy adds objects"),
	"CREATE TRIGGER usage_update BEFORE UPDATE OF id, key, size ON usage BEGIN\n"
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

/* From version n + 1 to the next. Views and triggers are dropped before and made anew behind. */
static const char *const migrations[] = {
	"ALTER TABLE purge ADD COLUMN url TEXT;" PURGE_LOG,
};

_Static_assert(COUNT(migrations) == SCHEMA_VERSION - 1, "a step for each older version");

static void setup(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 64);
	/* No pages set aside in advance: an idle proxy is small. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	sqlite3_initialize();
	disk_vfs_setup_once();
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

static int run_all(sqlite3 *db, const char *const *sql, size_t n)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
		rc = schema_run(db, sql[i]);
	return rc;
}

static int make_tables(sqlite3 *db, uint64_t seed)
{
	char *tail = sqlite3_mprintf("INSERT INTO meta VALUES ('seed', %lld), ('next_id', 1);"
				     "PRAGMA application_id=%d; PRAGMA user_version=%d",
				     (long long)seed, SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	int rc = run_all(db, tables, COUNT(tables));

	if (rc == SQLITE_OK)
		rc = run_all(db, views, COUNT(views));
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

/* ---- older versions */

/* All views, or all triggers: the names come first, since a statement that reads them is in the way. */
static int drop_all(sqlite3 *db, const char *type)
{
	enum { MAX_BYTES = 16384 };
	char select[128];
	char *drops = sqlite3_mprintf("");
	sqlite3_stmt *stmt = NULL;
	int rc;

	sqlite3_snprintf(sizeof(select), select,
			 "SELECT name FROM sqlite_schema WHERE type = '%s'", type);
	rc = sqlite3_prepare_v2(db, select, -1, &stmt, NULL);
	while (rc == SQLITE_OK && drops && strlen(drops) < MAX_BYTES &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		drops = sqlite3_mprintf("%zDROP %s IF EXISTS \"%w\";", drops, type,
					sqlite3_column_text(stmt, 0));
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	if (rc == SQLITE_DONE)
		rc = drops ? schema_run(db, drops) : SQLITE_NOMEM;
	sqlite3_free(drops);
	return rc;
}

static int run_migrations(sqlite3 *db, int64_t version)
{
	char pragma[64];
	int rc = drop_all(db, "trigger");

	if (rc == SQLITE_OK)
		rc = drop_all(db, "view");
	if (rc == SQLITE_OK)
		rc = run_all(db, migrations + (version - 1),
			     (size_t)(SCHEMA_VERSION - version));
	if (rc == SQLITE_OK)
		rc = run_all(db, views, COUNT(views));
	sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA user_version=%d", SCHEMA_VERSION);
	return rc == SQLITE_OK ? schema_run(db, pragma) : rc;
}

/* All steps in one transaction: an older version's file stays one if any fails. */
static int migrate(sqlite3 *db, int64_t version)
{
	int rc = version > 0 ? schema_run(db, "BEGIN IMMEDIATE") : SQLITE_NOTFOUND;

	if (rc != SQLITE_OK)
		return rc;
	rc = run_migrations(db, version);
	if (rc == SQLITE_OK)
		rc = schema_run(db, "COMMIT");
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
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
		 "expires,modified,etag,flags,on_error,on_stale,header,crc,tags,decision FROM object LIMIT 1)"),
		"SELECT count(*) FROM (SELECT id,key,size,used,hits FROM usage LIMIT 1)",
		"SELECT count(*) FROM (SELECT id,crc FROM chunk LIMIT 1)",
		"SELECT count(*) FROM (SELECT id FROM orphan LIMIT 1)",
		"SELECT count(*) FROM (SELECT id,object_id,key,what,url FROM purge LIMIT 1)",
		"SELECT count(*) FROM (SELECT id,at,who,how,what,objects,ms FROM purge_log LIMIT 1)",
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
	if (rc == SQLITE_OK && version < SCHEMA_VERSION && sqlite3_db_readonly(db, "main") == 0)
		rc = migrate(db, version);
	if (rc == SQLITE_OK)
		rc = touch_tables(db);
	if (rc == SQLITE_OK)
		return SCHEMA_OURS;
	err_say(why, "%s: %s", path, sqlite3_errstr(rc));
	return state_of_code(rc);
}

static int prepare_writer(sqlite3 *db, uint64_t max_bytes)
{
	char sql[512];

	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_snprintf(sizeof(sql), sql,
			 "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-2048;"
			 "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;"
			 "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;"
			 "PRAGMA max_page_count=%llu",
			 max_bytes / SCHEMA_PAGE_BYTES);
	return schema_run(db, sql);
}

void schema_keep_log(sqlite3 *db, bool keep)
{
	int is_kept = keep;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &is_kept);
}

/* ---- opening */

/* The path without symbolic links on the way to the file; NULL: errno has why. */
static char *resolve(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_printf("%.*s/", (int)(slash - path), path) : mem_printf("./");
	char *real = realpath(folder, NULL);
	char *resolved = real ? mem_printf("%s/%s", real, slash ? slash + 1 : path) : NULL;

	mem_free(real);
	mem_free(folder);
	return resolved;
}

/* What it is, if SQLite would fail to say that it is no file, or wait for what comes by a pipe. */
static const char *is_no_file(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
		return NULL;
	return S_ISLNK(st.st_mode)   ? "a symbolic link"
	       : S_ISDIR(st.st_mode) ? "a directory"
				     : "not a regular file";
}

int schema_open(const char *path, int flags, const char *vfs, sqlite3 **db, struct err_text *why)
{
	char *resolved = resolve(path);
	const char *reason = resolved ? is_no_file(resolved) : strerror(errno);
	sqlite3 *opened = NULL;
	int rc = reason ? SQLITE_CANTOPEN
			: sqlite3_open_v2(resolved, &opened,
					  flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, vfs);
	int error = rc == SQLITE_CANTOPEN && opened ? sqlite3_system_errno(opened) : 0;

	mem_free(resolved);
	*db = NULL;
	if (rc != SQLITE_OK) {
		err_say(why, "%s",
			reason  ? reason
			: error ? strerror(error)
				: sqlite3_errstr(rc));
		sqlite3_close(opened);
		return rc;
	}
	sqlite3_extended_result_codes(opened, 1);
	*db = opened;
	return SQLITE_OK;
}

enum schema_state schema_open_writer(const char *path, uint64_t max_bytes, sqlite3 **db,
				     struct err_text *why)
{
	enum schema_state state = SCHEMA_UNREADABLE;
	struct err_text reason;
	sqlite3 *opened;
	int rc = schema_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, DISK_VFS_NAME, &opened,
			     &reason);

	*db = NULL;
	if (rc != SQLITE_OK) {
		err_say(why, "cannot open %s: %s", path, reason.at);
		return state_of_code(rc);
	}
	/* What is not ours is not even tidied up when we close it. */
	sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
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
	if (rc == SQLITE_OK && state == SCHEMA_OURS) /* an exported file has no log */
		rc = schema_run(opened, "PRAGMA journal_mode=WAL");
	if (rc != SQLITE_OK) {
		err_say(why, "%s: %s", path, sqlite3_errmsg(opened));
		state = state_of_code(rc);
		goto fail;
	}
	sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	schema_keep_log(opened, true);
	sqlite3_busy_timeout(opened, 0); /* from now on the queue waits, not the thread */
	*db = opened;
	return state;
fail:
	sqlite3_close(opened);
	return state;
}

int schema_open_reader(const char *path, sqlite3 **db, struct err_text *why)
{
	sqlite3 *opened;
	int rc = schema_open(path, SQLITE_OPEN_READWRITE, NULL, &opened, why);

	*db = NULL;
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_busy_timeout(opened, 1000);
	rc = schema_run(opened, "PRAGMA query_only=1; PRAGMA cache_size=-512;"
				"PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF");
	if (rc != SQLITE_OK) {
		err_say(why, "%s", sqlite3_errmsg(opened));
		sqlite3_close(opened);
		return rc;
	}
	*db = opened;
	return SQLITE_OK;
}

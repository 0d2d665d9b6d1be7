/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/schema.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/disk/disk_vfs.h"
#include "cache/disk/schema_views.h"
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
		rc = schema_make_views(db);
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

/* All views, or all triggers: the names come first, since a statement that reads them is in the
 * way. */
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
		rc = schema_make_views(db);
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
	if (rc == SQLITE_OK && sqlite3_db_readonly(db, "main") == 0)
		schema_mend_views(db);
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
	int rc = schema_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, DISK_VFS_NAME,
	                     &opened, &reason);

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

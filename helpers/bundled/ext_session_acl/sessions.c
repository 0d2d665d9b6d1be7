/* SPDX-License-Identifier: BSD-2-Clause */
/* One table; each question is one statement, so that programs that share the file agree. */
#include "helpers/bundled/ext_session_acl/sessions.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { BUSY_MS = 3000, SWEEP_EVERY_MS = 60000, MAX_TIMEOUT_S = 1 << 30 };

enum statement { BEGIN, END, TOUCH, FIND, SWEEP, NSTATEMENTS };

/* ?1: the key, ?2: until when, ?3: now */
static const char *const texts[NSTATEMENTS] = {
	[BEGIN] = "INSERT INTO session VALUES (?1, ?2) "
		  "ON CONFLICT (key) DO UPDATE SET until_ms = excluded.until_ms",
	[END] = "DELETE FROM session WHERE key = ?1",
	[TOUCH] = "UPDATE session SET until_ms = ?2 WHERE key = ?1 AND until_ms > ?3 RETURNING 1",
	[FIND] = "SELECT 1 FROM session WHERE key = ?1 AND until_ms > ?3",
	[SWEEP] = "DELETE FROM session WHERE until_ms <= ?3",
};

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"CREATE TABLE IF NOT EXISTS session (key TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) "
	"WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS session_until ON session (until_ms);";

struct sessions {
	char *path;
	int64_t timeout_ms, swept_ms;
	bool is_idle;
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *statements[NSTATEMENTS];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *file_of(const char *path)
{
	struct stat stat_;

	if (!path)
		return mem_strdup(":memory:");
	if (stat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode))
		return mem_printf("%s/session", path);
	return mem_strdup(path);
}

struct sessions *sessions_create(const char *path, int64_t timeout_s, bool is_idle)
{
	struct sessions *sessions = mem_zalloc(sizeof(*sessions));

	sessions->path = file_of(path);
	sessions->timeout_ms = (timeout_s < MAX_TIMEOUT_S ? timeout_s : MAX_TIMEOUT_S) * 1000;
	sessions->is_idle = is_idle;
	return sessions;
}

static void close_database(struct sessions *sessions)
{
	for (size_t i = 0; i < COUNT(sessions->statements); i++) {
		sqlite3_finalize(sessions->statements[i]);
		sessions->statements[i] = NULL;
	}
	sqlite3_close(sessions->db);
	sessions->db = NULL;
}

void sessions_destroy(struct sessions *sessions)
{
	if (!sessions)
		return;
	close_database(sessions);
	mem_free(sessions->path);
	mem_free(sessions);
}

/* Says what SQLite says and closes the file, so that the next question opens it anew. */
static enum err fail(struct sessions *sessions, struct err_text *why)
{
	err_say(why, "cannot use %s: %s", sessions->path, sqlite3_errmsg(sessions->db));
	close_database(sessions);
	return ERR_IO;
}

static enum err ensure_open(struct sessions *sessions, struct err_text *why)
{
	if (sessions->db)
		return ERR_OK;
	if (sqlite3_open(sessions->path, &sessions->db) != SQLITE_OK)
		return fail(sessions, why);
	sqlite3_busy_timeout(sessions->db, BUSY_MS);
	if (sqlite3_exec(sessions->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return fail(sessions, why);
	for (size_t i = 0; i < COUNT(sessions->statements); i++)
		if (sqlite3_prepare_v2(sessions->db, texts[i], -1, &sessions->statements[i],
		                       NULL) != SQLITE_OK)
			return fail(sessions, why);
	return ERR_OK;
}

static enum err run(struct sessions *sessions, enum statement which, const char *key, bool *is_row,
                    struct err_text *why)
{
	enum err err = ensure_open(sessions, why);
	sqlite3_stmt *statement;
	int64_t now = now_ms();
	int step;

	if (err != ERR_OK)
		return err;
	statement = sessions->statements[which];
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, now + sessions->timeout_ms);
	sqlite3_bind_int64(statement, 3, now);
	step = sqlite3_step(statement);
	*is_row = step == SQLITE_ROW;
	while (step == SQLITE_ROW)
		step = sqlite3_step(statement);
	if (step != SQLITE_DONE)
		return fail(sessions, why);
	sqlite3_reset(statement);
	return ERR_OK;
}

enum err sessions_begin(struct sessions *sessions, const char *key, struct err_text *why)
{
	int64_t now = now_ms();
	bool is_row;

	if (now - sessions->swept_ms >= SWEEP_EVERY_MS) {
		enum err err = run(sessions, SWEEP, "", &is_row, why);

		if (err != ERR_OK)
			return err;
		sessions->swept_ms = now;
	}
	return run(sessions, BEGIN, key, &is_row, why);
}

enum err sessions_end(struct sessions *sessions, const char *key, struct err_text *why)
{
	bool is_row;

	return run(sessions, END, key, &is_row, why);
}

enum err sessions_find(struct sessions *sessions, const char *key, bool *is_there,
                       struct err_text *why)
{
	return run(sessions, sessions->is_idle ? TOUCH : FIND, key, is_there, why);
}

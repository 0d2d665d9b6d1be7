/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/schema.h"
#include "lib/base/random.h"

enum { FILE_RIGHTS = 0600 };

static const char make_tables[] =
	"CREATE TABLE IF NOT EXISTS recording (salt BLOB NOT NULL) STRICT;"
	"CREATE TABLE IF NOT EXISTS answer ("
	" id INTEGER PRIMARY KEY,"
	" kind TEXT NOT NULL,"
	" at INTEGER NOT NULL,"      /* milliseconds since 1970 */
	" latency_us INTEGER,"       /* NULL: no answer */
	" secrets INTEGER NOT NULL," /* of the question that are hashed */
	" question TEXT NOT NULL,"
	" answer TEXT"
	") STRICT";

static bool complain(const struct recording *recording, struct err_text *why)
{
	err_say(why, "%s", sqlite3_errmsg(recording->db));
	return false;
}

static bool run(const struct recording *recording, const char *sql, struct err_text *why)
{
	return schema_run(recording->db, sql) == SQLITE_OK || complain(recording, why);
}

static int64_t number(const struct recording *recording, const char *sql)
{
	int64_t n;

	return schema_number(recording->db, sql, &n) == SQLITE_OK ? n : 0;
}

static bool read_salt(struct recording *recording)
{
	sqlite3_stmt *stmt = NULL;
	bool is_there = false;

	if (sqlite3_prepare_v2(recording->db, "SELECT salt FROM recording", -1, &stmt, NULL) ==
	            SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW &&
	    sqlite3_column_bytes(stmt, 0) == SECRETS_SALT_BYTES) {
		memcpy(recording->salt, sqlite3_column_blob(stmt, 0), SECRETS_SALT_BYTES);
		is_there = true;
	}
	sqlite3_finalize(stmt);
	return is_there;
}

static bool make_salt(struct recording *recording, struct err_text *why)
{
	sqlite3_stmt *stmt = NULL;
	bool is_made;

	random_fill(recording->salt, sizeof(recording->salt));
	is_made = sqlite3_prepare_v2(recording->db, "INSERT INTO recording VALUES (?)", -1, &stmt,
	                             NULL) == SQLITE_OK &&
	          sqlite3_bind_blob(stmt, 1, recording->salt, SECRETS_SALT_BYTES, SQLITE_STATIC) ==
	                  SQLITE_OK &&
	          sqlite3_step(stmt) == SQLITE_DONE;
	sqlite3_finalize(stmt);
	return is_made || complain(recording, why);
}

/* An empty file becomes one of ours. Another program's stays as it is. */
static bool fill(struct recording *recording, struct err_text *why)
{
	char marks[96];

	snprintf(marks, sizeof(marks), "PRAGMA application_id=%d; PRAGMA user_version=%d",
	         RECORDING_APPLICATION_ID, RECORDING_VERSION);
	return run(recording, make_tables, why) && make_salt(recording, why) &&
	       run(recording, marks, why);
}

static bool is_empty(const struct recording *recording)
{
	return number(recording, "PRAGMA application_id") == 0 &&
	       number(recording, "SELECT count(*) FROM sqlite_schema") == 0;
}

static bool is_ours(struct recording *recording, struct err_text *why)
{
	if (number(recording, "PRAGMA application_id") != RECORDING_APPLICATION_ID)
		err_say(why, "not a recording of `bobtailctl helper record`");
	else if (number(recording, "PRAGMA user_version") != RECORDING_VERSION)
		err_say(why, "a recording of another version");
	else if (!read_salt(recording))
		err_say(why, "the recording is damaged");
	else
		return true;
	return false;
}

/* Made by one of the processes that begin at the same time; the others wait. */
static bool prepare_to_write(struct recording *recording, struct err_text *why)
{
	static const char insert[] =
		"INSERT INTO answer(kind, at, latency_us, secrets, question, answer)"
		" VALUES (?, ?, ?, ?, ?, ?)";

	if (!run(recording, "BEGIN IMMEDIATE", why))
		return false;
	if ((is_empty(recording) && !fill(recording, why)) || !is_ours(recording, why))
		return false;
	if (!run(recording, "COMMIT", why))
		return false;
	return sqlite3_prepare_v2(recording->db, insert, -1, &recording->insert, NULL) ==
	               SQLITE_OK ||
	       complain(recording, why);
}

/* In a folder where everybody may write, somebody may have made it before. */
static bool is_own(const char *path, struct err_text *why)
{
	struct stat info;

	if (stat(path, &info) != 0)
		err_say(why, "%s", strerror(errno));
	else if (info.st_uid != geteuid())
		err_say(why, "the file is another user's");
	else
		return true;
	return false;
}

bool recording_open(struct recording *recording, const char *path, bool may_write,
                    struct err_text *why)
{
	int flags = may_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	int fd = may_write ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_RIGHTS) : -1;
	bool is_open;

	if (fd >= 0)
		close(fd); /* SQLite would make it for everybody to read */
	*recording = (struct recording){0};
	if (may_write && !is_own(path, why))
		return false;
	schema_setup_once();
	is_open = schema_open(path, flags, NULL, &recording->db, why) == SQLITE_OK;
	if (is_open) {
		sqlite3_busy_timeout(recording->db, RECORDING_BUSY_MS);
		is_open = may_write ? prepare_to_write(recording, why) : is_ours(recording, why);
	}
	if (!is_open)
		recording_close(recording);
	return is_open;
}

void recording_close(struct recording *recording)
{
	sqlite3_finalize(recording->insert);
	sqlite3_close(recording->db);
	*recording = (struct recording){0};
}

/* ---- rows */

bool recording_begin(struct recording *recording, struct err_text *why)
{
	return run(recording, "BEGIN IMMEDIATE", why);
}

static bool give_up(struct recording *recording, struct err_text *why)
{
	complain(recording, why);
	sqlite3_reset(recording->insert);
	schema_run(recording->db, "ROLLBACK");
	return false;
}

static void bind_text(sqlite3_stmt *stmt, int i, struct str text)
{
	sqlite3_bind_text64(stmt, i, text.at ? text.at : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

bool recording_add(struct recording *recording, const struct recording_row *row,
                   struct err_text *why)
{
	sqlite3_stmt *insert = recording->insert;

	sqlite3_reset(insert);
	sqlite3_clear_bindings(insert);
	bind_text(insert, 1, str_of(row->kind));
	sqlite3_bind_int64(insert, 2, row->at_ms);
	if (row->latency_us >= 0)
		sqlite3_bind_int64(insert, 3, row->latency_us);
	sqlite3_bind_int64(insert, 4, row->nsecrets);
	bind_text(insert, 5, row->question);
	if (row->answer.at)
		bind_text(insert, 6, row->answer);
	return sqlite3_step(insert) == SQLITE_DONE || give_up(recording, why);
}

bool recording_commit(struct recording *recording, struct err_text *why)
{
	sqlite3_reset(recording->insert);
	return schema_run(recording->db, "COMMIT") == SQLITE_OK || give_up(recording, why);
}

int64_t recording_last(struct recording *recording)
{
	return number(recording, "SELECT coalesce(max(id), 0) FROM answer");
}

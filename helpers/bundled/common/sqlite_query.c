/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/bundled/common/sqlite_query.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/heap.h"

enum { BUSY_MS = 2000, MAX_SECONDS = 5, STEPS_BETWEEN_LOOKS = 10000, JOINED_BYTES = 64 << 10 };

struct sqlite_query {
	const char *program, *path, *sql;
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *statement;
	struct stat seen;
	time_t deadline; /* of the question under way */
	struct err_text why;
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* SQLite asks now and then whether to give up. */
static int is_late(void *argument)
{
	const struct sqlite_query *query = argument;

	return now() > query->deadline;
}

struct sqlite_query *sqlite_query_create(const char *program, const char *path, const char *sql)
{
	struct sqlite_query *query = mem_zalloc(sizeof(*query));

	query->program = program;
	query->path = path;
	query->sql = sql;
	return query;
}

static void close_database(struct sqlite_query *query)
{
	sqlite3_finalize(query->statement);
	sqlite3_close(query->db);
	query->statement = NULL;
	query->db = NULL;
}

void sqlite_query_destroy(struct sqlite_query *query)
{
	if (!query)
		return;
	close_database(query);
	mem_free(query);
}

/* Says it, if it is news, and lets the next question begin anew. */
static enum query_result fail(struct sqlite_query *query, const char *what)
{
	struct err_text why;

	err_say(&why, "cannot ask %s: %s", query->path, what);
	if (strcmp(why.at, query->why.at) != 0)
		fprintf(stderr, "%s: %s: answers BH until it can\n", query->program, why.at);
	query->why = why;
	close_database(query);
	return QUERY_FAILED;
}

static bool is_replaced(const struct sqlite_query *query)
{
	struct stat now_;

	return stat(query->path, &now_) != 0 || now_.st_ino != query->seen.st_ino ||
	       now_.st_dev != query->seen.st_dev;
}

static bool ensure_open(struct sqlite_query *query)
{
	if (query->db && is_replaced(query))
		close_database(query);
	if (query->db)
		return true;
	if (stat(query->path, &query->seen) != 0) {
		fail(query, "there is no such file");
		return false;
	}
	if (sqlite3_open_v2(query->path, &query->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(query->db, BUSY_MS);
		sqlite3_progress_handler(query->db, STEPS_BETWEEN_LOOKS, is_late, query);
		if (sqlite3_prepare_v2(query->db, query->sql, -1, &query->statement, NULL) ==
		            SQLITE_OK &&
		    query->statement)
			return true;
	}
	fail(query, sqlite3_errmsg(query->db));
	return false;
}

enum query_result sqlite_query_ask(struct sqlite_query *query, char *const *words, size_t nwords)
{
	int step;

	query->deadline = now() + MAX_SECONDS;
	if (query->statement)
		sqlite3_reset(query->statement);
	if (!ensure_open(query))
		return QUERY_FAILED;
	sqlite3_clear_bindings(query->statement);
	for (size_t i = 0; i < nwords; i++)
		sqlite3_bind_text(query->statement, (int)i + 1, words[i], -1, SQLITE_TRANSIENT);
	step = sqlite3_step(query->statement);
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		return fail(query, sqlite3_errmsg(query->db));
	query->why.at[0] = '\0';
	if (step == SQLITE_ROW)
		return QUERY_ROW;
	sqlite3_reset(query->statement);
	return QUERY_NO_ROW;
}

bool sqlite_query_column(const struct sqlite_query *query, int n, const char **name,
                         struct str *value)
{
	if (n >= sqlite3_column_count(query->statement))
		return false;
	*name = sqlite3_column_name(query->statement, n);
	value->at = (const char *)sqlite3_column_text(query->statement, n);
	value->len = (size_t)sqlite3_column_bytes(query->statement, n);
	return true;
}

const char *sqlite_query_why(const struct sqlite_query *query)
{
	return query->why.at;
}

char *sqlite_query_join(char *const *words)
{
	struct buf joined;
	char *text;

	buf_init(&joined, JOINED_BYTES);
	for (; *words; words++) {
		if (joined.len > 0)
			buf_add_char(&joined, ' ');
		buf_add_str(&joined, str_of(*words));
	}
	text = str_dup(buf_str(&joined));
	buf_fini(&joined);
	return text;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/recorded.h"

#include <string.h>

#include "lib/base/heap.h"
#include "proxy/ctl/helper/helper_difference.h"

enum { MAX_KINDS_BYTES = 256 };

static struct str column(sqlite3_stmt *stmt, int i)
{
	const char *at = (const char *)sqlite3_column_text(stmt, i);

	return (struct str){at, (size_t)sqlite3_column_bytes(stmt, i)};
}

static sqlite3_stmt *prepare(struct recorded *recorded, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(recorded->file.db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    recorded->kind && sqlite3_bind_parameter_count(stmt) > 0)
		sqlite3_bind_text(stmt, 1, recorded->kind, -1, SQLITE_STATIC);
	return stmt; /* NULL: stepping it fails */
}

static bool run(struct recorded *recorded, const char *sql)
{
	sqlite3_stmt *stmt = prepare(recorded, sql);
	bool is_done = sqlite3_step(stmt) == SQLITE_DONE;

	sqlite3_finalize(stmt);
	return is_done;
}

/* The kind that is asked for, or the only one. */
static bool choose_kind(struct recorded *recorded, const char *kind, struct err_text *why)
{
	sqlite3_stmt *stmt = prepare(recorded, "SELECT DISTINCT kind FROM answer ORDER BY kind");
	struct buf names;
	unsigned n = 0;

	buf_init(&names, MAX_KINDS_BYTES);
	for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
		struct str name = column(stmt, 0);

		buf_printf(&names, "%s%.*s", n > 0 ? ", " : "", STR_ARG(name));
		if (!recorded->kind && (!kind || str_eq(str_of(kind), name)))
			recorded->kind = str_dup(name);
	}
	sqlite3_finalize(stmt);
	if (n == 0)
		err_say(why, "nothing is recorded");
	else if (!recorded->kind)
		err_say(why, "there is no %s in it, but %.*s", kind, STR_ARG(buf_str(&names)));
	else if (!kind && n > 1)
		err_say(why, "which one, by --kind? there is %.*s", STR_ARG(buf_str(&names)));
	buf_fini(&names);
	return recorded->kind && (kind || n == 1);
}

static bool prepare_all(struct recorded *recorded, struct err_text *why)
{
	bool is_there =
		run(recorded,
	            "CREATE TEMP TABLE known AS SELECT DISTINCT question, answer FROM answer"
	            " WHERE kind = ?1") &&
		run(recorded, "CREATE INDEX temp.known_question ON known(question)");

	recorded->questions =
		prepare(recorded, "SELECT question, max(secrets) FROM answer WHERE kind = ?1"
	                          " GROUP BY question ORDER BY min(id)");
	recorded->answers = prepare(recorded, "SELECT answer FROM known WHERE question = ?1");
	if (is_there && recorded->questions && recorded->answers)
		return true;
	err_say(why, "%s", sqlite3_errmsg(recorded->file.db));
	return false;
}

bool recorded_open(struct recorded *recorded, const char *path, const char *kind,
                   struct err_text *why)
{
	*recorded = (struct recorded){0};
	if (!recording_open(&recorded->file, path, false, why))
		return false;
	if (!choose_kind(recorded, kind, why) || !prepare_all(recorded, why)) {
		recorded_close(recorded);
		return false;
	}
	secrets_init(&recorded->secrets, recorded->kind, 0);
	memcpy(recorded->secrets.salt, recorded->file.salt, sizeof(recorded->secrets.salt));
	return true;
}

void recorded_close(struct recorded *recorded)
{
	sqlite3_finalize(recorded->questions);
	sqlite3_finalize(recorded->answers);
	recording_close(&recorded->file);
	secrets_fini(&recorded->secrets);
	mem_free(recorded->kind);
	*recorded = (struct recorded){0};
}

bool recorded_next(struct recorded *recorded, struct str *question, unsigned *nsecrets)
{
	if (sqlite3_step(recorded->questions) != SQLITE_ROW)
		return false;
	*question = column(recorded->questions, 0);
	*nsecrets = (unsigned)sqlite3_column_int(recorded->questions, 1);
	return true;
}

/* Adds what the row has to was. Is it answer? */
static bool is_answer(sqlite3_stmt *row, const struct str *answer, struct buf *was)
{
	bool is_none = sqlite3_column_type(row, 0) == SQLITE_NULL;
	struct str text = column(row, 0);

	buf_add_str(was, was->len > 0 ? STR(" | ") : STR(""));
	buf_add_str(was, is_none ? STR("no answer") : text);
	if (is_none || !answer)
		return is_none && !answer;
	return helper_says_the_same(text, *answer);
}

void recorded_hide(struct recorded *recorded, struct str answer, struct buf *out)
{
	secrets_hide_answer(&recorded->secrets, answer, out);
}

bool recorded_knows(struct recorded *recorded, struct str question, const struct str *answer,
                    struct buf *was)
{
	bool is_known = false;

	sqlite3_reset(recorded->answers);
	sqlite3_bind_text64(recorded->answers, 1, question.at, question.len, SQLITE_STATIC,
	                    SQLITE_UTF8);
	while (sqlite3_step(recorded->answers) == SQLITE_ROW)
		is_known |= is_answer(recorded->answers, answer, was);
	sqlite3_reset(recorded->answers);
	return is_known;
}

size_t recorded_latencies(struct recorded *recorded, int64_t **out)
{
	sqlite3_stmt *stmt = prepare(recorded, "SELECT latency_us, count(*) OVER () FROM answer"
	                                       " WHERE kind = ?1 AND latency_us IS NOT NULL"
	                                       " ORDER BY latency_us");
	size_t n = 0, room = 0;

	*out = NULL;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		if (n == 0) {
			room = (size_t)sqlite3_column_int64(stmt, 1);
			*out = mem_array(room, sizeof(**out));
		}
		if (n < room)
			(*out)[n++] = sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
	return n;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* An SQLite database without any table, and statements that are made for each reading, since
 * readings nest. */
#include "helpers/bundled/bearer_jwt_auth/json.h"

#include <sqlite3.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { MAX_BYTES = 16 << 20 };

struct json {
	sqlite3 *db;
};

struct json *json_create(struct err_text *why)
{
	struct json *json = mem_zalloc(sizeof(*json));

	if (sqlite3_open(":memory:", &json->db) == SQLITE_OK &&
	    sqlite3_exec(json->db, "SELECT json_valid('{}')", NULL, NULL, NULL) == SQLITE_OK)
		return json;
	err_say(why, "SQLite cannot read JSON: %s", sqlite3_errmsg(json->db));
	json_destroy(json);
	return NULL;
}

void json_destroy(struct json *json)
{
	if (!json)
		return;
	sqlite3_close(json->db);
	mem_free(json);
}

/* As a byte or as an escape: SQLite would end texts there. */
static bool has_nul(struct str text)
{
	return memchr(text.at, '\0', text.len) || memmem(text.at, text.len, "\\u0000", 6);
}

/* A statement with text and type as ?1 and ?2; NULL: it is too large, or has NULs. */
static sqlite3_stmt *statement_of(struct json *json, const char *sql, struct str text,
                                  enum json_type type)
{
	sqlite3_stmt *statement = NULL;

	if (text.len == 0 || text.len > MAX_BYTES || has_nul(text))
		return NULL;
	check(sqlite3_prepare_v2(json->db, sql, -1, &statement, NULL) == SQLITE_OK);
	sqlite3_bind_text(statement, 1, text.at, (int)text.len, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, type == JSON_ARRAY ? "array" : "object", -1, SQLITE_STATIC);
	return statement;
}

static bool is_fine(struct json *json, struct str text, enum json_type type)
{
	static const char sql[] = "SELECT json_valid(?1) AND json_type(?1) = ?2 AND (SELECT "
				  "count(*) = count(DISTINCT key) FROM json_each(?1))";
	sqlite3_stmt *statement = statement_of(json, sql, text, type);
	bool is_fine = statement && sqlite3_step(statement) == SQLITE_ROW &&
	               sqlite3_column_int(statement, 0) == 1;

	sqlite3_finalize(statement);
	return is_fine;
}

static enum json_type type_named(const char *name)
{
	static const struct {
		const char *name;
		enum json_type type;
	} types[] = {{"object", JSON_OBJECT},
	             {"array", JSON_ARRAY},
	             {"text", JSON_TEXT},
	             {"integer", JSON_NUMBER},
	             {"real", JSON_NUMBER}};

	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return JSON_OTHER;
}

static struct str column(sqlite3_stmt *statement, int n)
{
	const char *text = (const char *)sqlite3_column_text(statement, n);

	return (struct str){text ? text : "", (size_t)sqlite3_column_bytes(statement, n)};
}

bool json_read(struct json *json, struct str text, enum json_type type, json_visit *visit,
               void *argument)
{
	sqlite3_stmt *statement;
	int step;

	if (!is_fine(json, text, type))
		return false;
	statement = statement_of(json, "SELECT key, type, value FROM json_each(?1)", text, type);
	while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
		struct json_member member = {
			.key = column(statement, 0),
			.type = type_named((const char *)sqlite3_column_text(statement, 1)),
			.number = sqlite3_column_double(statement, 2),
			.value = column(statement, 2),
		};

		if (!visit(argument, &member))
			break;
	}
	sqlite3_finalize(statement);
	return step == SQLITE_DONE;
}

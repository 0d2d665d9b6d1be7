/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "proxy/manager/minutes.h"
#include "proxy/manager/minutes_file.h"

enum { A_DAY = 1440 };

static char folder[64], path[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/minutes_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/stats.db", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char other[112];

	(void)state;
	unlink(path);
	snprintf(other, sizeof(other), "%s-wal", path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", path);
	unlink(other);
	return rmdir(folder);
}

static int64_t ask(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	int64_t value;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

static void test_minutes(void **state)
{
	struct minutes_file file = {.path = path};
	const struct minutes_row rows[] = {
		{.site = "a.test", .counts = {.requests = 3, .hits = 1, .times.counts[30] = 3}},
		{.site = "it's \"b\".test", .counts = {.requests = 1, .bytes_out = 1 << 20}},
	};

	(void)state;
	assert_true(minutes_file_write(&file, 100 * A_DAY, rows, 2));
	assert_true(minutes_file_write(&file, 100 * A_DAY, rows, 1));
	assert_int_equal(ask("SELECT requests FROM minutes WHERE site = 'a.test'"), 6);
	assert_int_equal(ask("SELECT count(*) FROM by_minute"), 2);
	assert_int_equal(ask("SELECT mib_out FROM by_day WHERE site LIKE 'it%'"), 1);
	assert_true(minutes_file_write(&file, (100 + MINUTES_DAYS) * A_DAY, rows, 1));
	assert_int_equal(ask("SELECT count(*) FROM minutes"), 3);
	assert_true(minutes_file_write(&file, (100 + MINUTES_DAYS) * A_DAY + 1, rows, 1));
	assert_int_equal(ask("SELECT count(*) FROM minutes"), 2);
	minutes_file_close(&file);
}

static void test_a_foreign_file(void **state)
{
	struct minutes_file file = {.path = path};
	const struct minutes_row row = {.site = "a.test"};
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE mine (a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_false(minutes_file_write(&file, 1, &row, 1));
	assert_int_equal(ask("SELECT count(*) FROM sqlite_master"), 1);
	health_good(&file.health);
}

/* SQLite would wait for a writer, and the end of the program for SQLite. */
static void test_a_pipe(void **state)
{
	struct minutes_file file = {.path = path};
	const struct minutes_row row = {.site = "a.test"};

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(minutes_file_write(&file, 1, &row, 1));
	health_good(&file.health);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_minutes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_foreign_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_pipe, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

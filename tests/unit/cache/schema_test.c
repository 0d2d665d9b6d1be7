/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "tests/support/data_file.h"
#include "tests/support/disk_fixture.h"

static struct disk_fixture fx;

static int set_up(void **state)
{
	(void)state;
	fixture_open(&fx, 16 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_close(&fx);
	return 0;
}

/* All of a file beside the tests, with its NUL. */
static char *read_text(const char *name)
{
	FILE *file = data_open(name);
	char *text = mem_zalloc(65536);

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

/* Puts a database made by the SQL of a file in the place of the fixture's. */
static void replace_database(const char *name)
{
	char *path = fixture_path(&fx, "cache.db"), *sql = read_text(name);
	sqlite3 *db;

	disk_close(fx.disk);
	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(schema_run(db, sql), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	mem_free(sql);
	mem_free(path);
}

/* All rows of a statement's first column, a line each. */
static char *select_lines(const char *path, const char *sql)
{
	char *lines = mem_strdup("");
	sqlite3 *db;
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		char *longer = mem_printf("%s%s\n", lines, sqlite3_column_text(stmt, 0));

		mem_free(lines);
		lines = longer;
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return lines;
}

static void an_older_file_is_migrated_and_serves(void **state)
{
	static const char things[] =
		"SELECT s.type || ' ' || s.name || ' ' || coalesce(group_concat(t.name), '')"
		" FROM sqlite_schema s LEFT JOIN pragma_table_info(s.name) t"
		" WHERE s.name NOT LIKE 'sqlite_%' GROUP BY s.type, s.name ORDER BY s.type, s.name";
	char *path = fixture_path(&fx, "cache.db");
	char *fresh, *migrated, *version;
	struct err_text why = {""};

	(void)state;
	fresh = select_lines(path, things);
	replace_database("tests/unit/cache/cache_v1.sql");
	assert_int_equal(disk_open(&fx.config, &fx.disk, &why), ERR_OK);
	migrated = select_lines(path, things);
	assert_string_equal(migrated, fresh);
	version = select_lines(path, "PRAGMA user_version");
	assert_string_equal(version, "2\n");
	object_unref(fixture_find(&fx, "http://www.example/old", NULL));
	assert_int_equal(disk_seed(fx.disk), 7);
	assert_true(disk_may_have(fx.disk, fixture_key(&fx, "http://www.example/old")));
	mem_free(fresh);
	mem_free(migrated);
	mem_free(version);
	mem_free(path);
}

static void an_older_file_keeps_its_objects(void **state)
{
	struct err_text why = {""};
	struct object *object;

	(void)state;
	replace_database("tests/unit/cache/cache_v1.sql");
	assert_int_equal(disk_open(&fx.config, &fx.disk, &why), ERR_OK);
	object = fixture_find(&fx, "http://www.example/old", NULL);
	assert_non_null(object);
	assert_int_equal(object_length(object), 3);
	object_unref(object);
}

static void a_newer_file_is_left_alone(void **state)
{
	char *path = fixture_path(&fx, "cache.db");
	struct err_text why = {""};
	struct disk *disk = NULL;
	char *version;

	(void)state;
	assert_int_equal(fixture_sql(&fx, "PRAGMA user_version=99"), 0);
	disk_close(fx.disk);
	fx.disk = NULL;
	assert_int_not_equal(disk_open(&fx.config, &disk, &why), ERR_OK);
	assert_non_null(strstr(why.at, "newer version"));
	version = select_lines(path, "PRAGMA user_version");
	assert_string_equal(version, "99\n");
	mem_free(version);
	mem_free(path);
}

/* A migration that fails leaves nothing half done: the file is what it was, aside. */
static void a_migration_is_one_transaction(void **state)
{
	char *path = fixture_path(&fx, "cache.db");
	char *aside = fixture_path(&fx, "cache.db.damaged");
	struct err_text why = {""};
	char *columns;
	sqlite3 *db;

	(void)state;
	replace_database("tests/unit/cache/cache_v1.sql");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	/* In the way of the step behind the first. */
	assert_int_equal(schema_run(db, "CREATE TABLE purge_log(x)"), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(disk_open(&fx.config, &fx.disk, &why), ERR_OK);
	columns = select_lines(aside, "SELECT count(*) FROM pragma_table_info('purge')"
				      " WHERE name = 'url'");
	assert_string_equal(columns, "0\n");
	mem_free(columns);
	mem_free(aside);
	mem_free(path);
}

/* An administrator may have moved the directory; a link in the place of the file may be anybody's. */
static void links_lead_to_the_directory_alone(void **state)
{
	char *path = fixture_path(&fx, "cache.db"), *folder = fixture_path(&fx, "link");
	char *linked = fixture_path(&fx, "link/cache.db"), *link = fixture_path(&fx, "link.db");
	struct err_text why;
	sqlite3 *db;

	(void)state;
	assert_int_equal(symlink(".", folder), 0);
	assert_int_equal(symlink("cache.db", link), 0);
	assert_int_equal(schema_open(linked, SQLITE_OPEN_READONLY, NULL, &db, &why), SQLITE_OK);
	assert_string_equal(strrchr(sqlite3_db_filename(db, "main"), '/'), strrchr(path, '/'));
	sqlite3_close(db);
	assert_int_equal(schema_open(link, SQLITE_OPEN_READONLY, NULL, &db, &why), SQLITE_CANTOPEN);
	assert_null(db);
	assert_string_equal(why.at, "a symbolic link");
	assert_int_equal(schema_open(folder, SQLITE_OPEN_READONLY, NULL, &db, &why), SQLITE_CANTOPEN);
	assert_int_equal(unlink(folder) | unlink(link), 0);
	mem_free(link);
	mem_free(linked);
	mem_free(folder);
	mem_free(path);
}

/* Nobody may ever write to it. */
static void a_pipe_is_not_waited_for(void **state)
{
	char *path = fixture_path(&fx, "pipe");
	struct err_text why;
	sqlite3 *db;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(schema_open(path, SQLITE_OPEN_READONLY, NULL, &db, &why), SQLITE_CANTOPEN);
	assert_string_equal(why.at, "not a regular file");
	unlink(path);
	mem_free(path);
}

int main(void)
{
#define SCHEMA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SCHEMA_TEST(an_older_file_is_migrated_and_serves),
		SCHEMA_TEST(an_older_file_keeps_its_objects),
		SCHEMA_TEST(a_newer_file_is_left_alone),
		SCHEMA_TEST(a_migration_is_one_transaction),
		SCHEMA_TEST(links_lead_to_the_directory_alone),
		SCHEMA_TEST(a_pipe_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

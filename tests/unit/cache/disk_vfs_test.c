/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathered writes to the log: cache/disk/disk_vfs.h. The other connection has the system's own VFS,
 * as another program would. */
#include "cache/disk/disk_vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/schema.h"

static char directory[] = "/tmp/bobtail-test-vfs-XXXXXX";
static char path[128];
static sqlite3 *ours, *other;

static sqlite3 *open_with(const char *vfs)
{
	static const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(path, &db, flags, vfs), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	assert_int_equal(schema_run(db, sql), SQLITE_OK);
}

static int64_t number(sqlite3 *db, const char *sql)
{
	int64_t out = -1;

	assert_int_equal(schema_number(db, sql, &out), SQLITE_OK);
	return out;
}

/* A small page cache, so that a transaction spills. */
static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/test.db", directory);
	schema_setup_once();
	ours = open_with(DISK_VFS_NAME);
	run(ours, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		  "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=8;"
		  "CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, data BLOB)");
	other = open_with(NULL);
	run(other, "PRAGMA wal_autocheckpoint=0");
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[160];

	(void)state;
	sqlite3_close(other);
	sqlite3_close(ours);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
	rmdir(directory);
	snprintf(directory, sizeof(directory), "/tmp/bobtail-test-vfs-XXXXXX");
	return 0;
}

/* So many rows of so many bytes each, in the transaction under way. */
static void add(sqlite3 *db, const char *who, int n, int bytes)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < %d)"
		 " INSERT INTO t(who, data) SELECT '%s', randomblob(%d) FROM c",
		 n, who, bytes);
	run(db, sql);
}

static void assert_sound(void)
{
	assert_int_equal(number(other, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void others_find_each_commit_whole(void **state)
{
	(void)state;
	for (int i = 1; i <= 20; i++) {
		run(ours, "BEGIN IMMEDIATE");
		add(ours, "ours", 40, i * 1000); /* spills */
		run(ours, "UPDATE t SET who = 'again' WHERE id % 7 = 0"); /* and writes over that */
		run(ours, "COMMIT");
		assert_int_equal(number(other, "SELECT count(*) FROM t WHERE length(data) > 0"),
				 40 * i);
		assert_sound();
		if (i % 5 == 0)
			run(i % 2 ? ours : other, "PRAGMA wal_checkpoint(TRUNCATE)");
	}
}

static void what_was_rolled_back_is_not_written_over_anothers(void **state)
{
	(void)state;
	for (int i = 1; i <= 10; i++) {
		run(ours, "BEGIN IMMEDIATE");
		add(ours, "void", 20, 9000 + i * 700);
		run(ours, "ROLLBACK");
		add(other, "other", 3, 20000);
		assert_int_equal(number(ours, "SELECT count(*) FROM t WHERE length(data) > 0"),
				 4 * i - 1);
		add(ours, "ours", 1, 100);
		assert_sound();
	}
	run(ours, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_sound();
	assert_int_equal(number(other, "SELECT count(*) FROM t WHERE who = 'void'"), 0);
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 40);
}

static int64_t log_bytes(void)
{
	char name[160];
	struct stat st;

	snprintf(name, sizeof(name), "%s-wal", path);
	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

/* At whichever write it comes, the commit does not happen. */
static void an_error_comes_before_the_commit(void **state)
{
	struct rlimit before, now;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	add(ours, "ours", 5, 5000);
	for (int i = 0; i < 40; i++) {
		int rc;

		now = before;
		now.rlim_cur = (rlim_t)(log_bytes() + 1 + i * 10000);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
		run(ours, "BEGIN IMMEDIATE");
		rc = schema_run(ours, "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c"
				      " WHERE i < 10) INSERT INTO t SELECT NULL, 'void',"
				      " randomblob(50000) FROM c");
		if (rc == SQLITE_OK)
			rc = schema_run(ours, "COMMIT");
		assert_int_not_equal(rc, SQLITE_OK);
		schema_run(ours, "ROLLBACK");
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		run(ours, "PRAGMA wal_checkpoint(TRUNCATE)");
		assert_int_equal(number(other, "SELECT count(*) FROM t"), 5 + i);
		assert_sound();
		add(ours, "ours", 1, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(others_find_each_commit_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_rolled_back_is_not_written_over_anothers, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_error_comes_before_the_commit, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens to the file, the disk and the process, and what the disk tier makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "tests/support/disk_fixture.h"

enum { MIB = 1 << 20 };

static struct disk_fixture fx;

static int set_up(void **state)
{
	(void)state;
	fixture_open(&fx, 256 * MIB);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_close(&fx);
	return 0;
}

static void url_of(char *out, size_t size, int n)
{
	snprintf(out, size, "http://www.example/%d", n);
}

/* ---- the process dies */

static size_t size_of(int n)
{
	return (size_t)(n * 7919) % 200000;
}

/* Stores without end, and says what was committed, until it is killed. */
static void store_until_killed(int say, int first)
{
	struct disk_stats stats;
	char url[64];

	fixture_reopen(&fx);
	for (int n = first;; n++) {
		url_of(url, sizeof(url), n);
		while (!fixture_put(&fx, url, "", size_of(n)))
			usleep(1000);
		disk_stats(fx.disk, &stats);
		/* Commits keep the order, so the first so many are in. */
		check(write(say, &stats.stored, sizeof(stats.stored)) > 0);
	}
}

static int run_and_kill(int first, useconds_t after_us)
{
	uint64_t stored = 0, last = 0;
	int ends[2];
	pid_t pid;

	check(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		store_until_killed(ends[1], first);
	}
	close(ends[1]);
	usleep(after_us);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(ends[0], &stored, sizeof(stored)) == sizeof(stored))
		last = stored;
	close(ends[0]);
	return (int)last;
}

static void every_committed_object_survives_kill_9(void **state)
{
	enum { ROUNDS = 4 };
	char url[64];
	int first = 0, whole = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int n;

		disk_close(fx.disk); /* the child opens it alone */
		fx.disk = NULL;
		n = run_and_kill(first, (useconds_t)(150000 + rand() % 200000));
		fixture_reopen(&fx);
		for (int i = first; i < first + n; i++) {
			url_of(url, sizeof(url), i);
			assert_int_equal(fixture_get(&fx, url), size_of(i));
		}
		first += n;
		whole += n;
	}
	assert_true(whole > ROUNDS); /* else it tested nothing */
	assert_int_equal(fixture_stats(&fx).bad_pieces, 0);
	assert_int_equal(fixture_stats(&fx).recreated, 0);
	disk_close(fx.disk);
	fx.disk = NULL;
	assert_int_equal(fixture_sql(&fx,
		"CREATE TEMP TABLE t(n CHECK(n = 0));"
		"INSERT INTO t SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok';"
		"INSERT INTO t SELECT count(*) FROM object WHERE id NOT IN (SELECT id FROM usage);"
		"INSERT INTO t SELECT count(*) FROM usage WHERE id NOT IN (SELECT id FROM object);"
		"INSERT INTO t SELECT count(*) FROM object o WHERE size <> (SELECT"
		" coalesce(sum(length(data)), 0) FROM chunk WHERE id >> 20 = o.id)"), 0);
}

/* ---- the file is damaged */

static void overwrite(const char *name, off_t from, size_t len)
{
	char *path = fixture_path(&fx, name);
	int fd = open(path, O_WRONLY);

	check(fd >= 0);
	for (size_t i = 0; i < len; i += 4) {
		int noise = rand();

		check(pwrite(fd, &noise, 4, from + (off_t)i) == 4);
	}
	close(fd);
	mem_free(path);
}

static bool exists(const char *name)
{
	char *path = fixture_path(&fx, name);
	bool does = access(path, F_OK) == 0;

	mem_free(path);
	return does;
}

static void close_disk(void)
{
	disk_close(fx.disk);
	fx.disk = NULL;
}

static void a_damaged_file_is_set_aside_at_the_start(void **state)
{
	static const struct {
		const char *what;
		off_t keep; /* -1: all of it, with noise over its start */
	} cases[] = {{"noise", -1}, {"truncated", 20000}, {"a stump", 100}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *path = fixture_path(&fx, "cache.db");

		assert_true(fixture_store(&fx, "http://www.example/", "", 100000));
		close_disk();
		if (cases[i].keep < 0)
			overwrite("cache.db", 0, 16384);
		else
			check(truncate(path, cases[i].keep) == 0);
		mem_free(path);
		fixture_reopen(&fx);
		if (!exists("cache.db.damaged"))
			fail_msg("%s", cases[i].what);
		assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
		assert_int_equal(fixture_get(&fx, "http://www.example/"), 1000);
	}
}

static void an_empty_file_becomes_a_database(void **state)
{
	char *path = fixture_path(&fx, "cache.db");

	(void)state;
	close_disk();
	check(truncate(path, 0) == 0);
	mem_free(path);
	fixture_reopen(&fx);
	assert_false(exists("cache.db.damaged"));
	assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
}

/* A body that changed on the disk is never served: its checksum tells. */
static void a_changed_body_is_dropped(void **state)
{
	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/small", "", 50000));
	assert_true(fixture_store(&fx, "http://www.example/large", "", 500000));
	assert_int_equal(fixture_sql(&fx,
		"DROP TRIGGER chunk_update;"
		"UPDATE chunk SET data = zeroblob(length(data)) WHERE id & 1048575 IN (0, 3)"
		" AND (id & 1048575 = 3 OR length(data) < 66500)"), 0);
	assert_int_equal(fixture_get(&fx, "http://www.example/small"), -2);
	assert_int_equal(fixture_get(&fx, "http://www.example/large"), -1); /* cut short */
	fixture_settle(&fx);
	assert_int_equal(fixture_get(&fx, "http://www.example/large"), -2); /* now a miss */
	assert_int_equal(fixture_stats(&fx).bad_pieces, 2);
}

/* A row that is at odds with the pieces: not begun, since it would break off. */
static void a_body_without_its_end_is_a_miss(void **state)
{
	static const char *const changes[] = {
		"UPDATE object SET size = size * 10",
		"UPDATE object SET size = size + 1",
		"UPDATE object SET size = 66500",
		"UPDATE object SET size = 133000",
		"DELETE FROM chunk WHERE id = (SELECT max(id) FROM chunk)",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(changes) * 2; i++) {
		size_t size = i % 2 ? 500000 : 200000; /* a stream, and read at once */

		assert_true(fixture_store(&fx, "http://www.example/", "", size));
		fixture_sql(&fx, "DROP TRIGGER object_update");
		fixture_sql(&fx, "DROP TRIGGER chunk_delete");
		assert_int_equal(fixture_sql(&fx, changes[i / 2]), 0);
		if (fixture_get(&fx, "http://www.example/") != -2)
			fail_msg("served: %s, %zu", changes[i / 2], size);
	}
}

static void a_changed_head_is_dropped(void **state)
{
	static const char *const changes[] = {
		"UPDATE object SET header = 'HTTP/1.1 200 OK' || char(13, 10) || 'X: y' || char(13, 10)",
		"UPDATE object SET status = 0",
		"UPDATE object SET size = -1",
		"UPDATE object SET size = 1 << 62",
		"UPDATE object SET size = 70000",
		"UPDATE object SET header = '', crc = 0",
		"UPDATE object SET header = 'HTTP/1.1 ', crc = 0",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		assert_true(fixture_store(&fx, "http://www.example/", "", 5000));
		fixture_sql(&fx, "DROP TRIGGER object_update");
		assert_int_equal(fixture_sql(&fx, changes[i]), 0);
		if (fixture_get(&fx, "http://www.example/") != -2)
			fail_msg("served: %s", changes[i]);
	}
}

static bool is_recreated(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats.recreated > 0 && stats.state == DISK_NORMAL;
}

static void serves_on_after(const char *what)
{
	if (!fixture_wait(&fx, is_recreated))
		fail_msg("not noticed: %s", what);
	assert_true(fixture_store(&fx, "http://www.example/new", "", 100000));
	assert_int_equal(fixture_get(&fx, "http://www.example/new"), 100000);
}

static void damage_while_it_runs_is_survived(void **state)
{
	char *path = fixture_path(&fx, "cache.db");

	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/", "", 3000000));
	usleep(2500000); /* until the log is written back */
	check(truncate(path, 0) == 0);
	mem_free(path);
	fixture_get(&fx, "http://www.example/");
	fixture_store(&fx, "http://www.example/a", "", 1000);
	serves_on_after("truncation");
}

static void a_dropped_table_is_survived(void **state)
{
	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
	assert_int_equal(fixture_sql(&fx, "DROP TABLE chunk"), 0);
	fixture_get(&fx, "http://www.example/");
	serves_on_after("DROP TABLE");
}

static bool has_no_objects(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats.objects == 0;
}

static void a_deleted_file_is_made_anew(void **state)
{
	static const char *const names[] = {"cache.db", "cache.db-wal", "cache.db-shm"};

	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
	for (size_t i = 0; i < COUNT(names); i++) {
		char *path = fixture_path(&fx, names[i]);

		unlink(path);
		mem_free(path);
	}
	assert_true(fixture_wait(&fx, has_no_objects));
	assert_true(fixture_store(&fx, "http://www.example/new", "", 100));
	assert_int_equal(fixture_get(&fx, "http://www.example/new"), 100);
	assert_true(exists("cache.db"));
}

/* ---- what is not ours */

static void is_refused(const char *sql, const char *expected)
{
	struct err_text why = {""};
	struct disk *disk = NULL;

	close_disk();
	assert_int_equal(fixture_sql(&fx, sql), 0);
	assert_int_equal(disk_open(&fx.config, &disk, &why), ERR_DISK);
	assert_null(disk);
	assert_non_null(strstr(why.at, expected));
	assert_false(exists("cache.db.damaged"));
}

static void another_programs_database_is_left_alone(void **state)
{
	(void)state;
	is_refused("PRAGMA application_id = 7", "another program's");
	assert_int_equal(fixture_sql(&fx, "SELECT count(*) FROM object"), 0);
}

static void a_newer_schema_is_left_alone(void **state)
{
	(void)state;
	is_refused("PRAGMA user_version = 1000", "newer version");
	assert_int_equal(fixture_sql(&fx, "SELECT count(*) FROM object"), 0);
}

static void a_second_one_on_the_same_file_is_refused(void **state)
{
	struct err_text why = {""};
	struct disk *disk = NULL;

	(void)state;
	assert_int_equal(disk_open(&fx.config, &disk, &why), ERR_DISK);
	assert_non_null(strstr(why.at, "another process"));
	assert_true(fixture_store(&fx, "http://www.example/", "", 100));
}

static void a_directory_is_made_and_a_bad_one_refused(void **state)
{
	struct disk_config config = fx.config;
	struct err_text why = {""};
	struct disk *disk = NULL;
	struct stat st;
	char *path = fixture_path(&fx, "sub");

	(void)state;
	config.directory = path;
	assert_int_equal(disk_create_only(&config, &why), ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	config.directory = "/dev/null/sub";
	assert_int_equal(disk_open(&config, &disk, &why), ERR_DISK);
	mem_free(path);
	path = mem_printf("rm -r %s/sub", fx.directory);
	assert_int_equal(system(path), 0);
	mem_free(path);
}

/* ---- the disk or its lock is not to be had */

static bool is_paused(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats.state == DISK_PAUSED;
}

static bool is_normal(struct disk_fixture *fixture)
{
	struct disk_stats stats;

	disk_stats(fixture->disk, &stats);
	return stats.state == DISK_NORMAL && stats.queued_bytes == 0;
}

static void a_foreign_lock_stops_stores_and_not_hits(void **state)
{
	pid_t pid;

	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
	pid = fixture_hold_lock(&fx, 4000000);
	assert_true(fixture_put(&fx, "http://www.example/wait", "", 1000));
	assert_int_equal(fixture_get(&fx, "http://www.example/"), 1000);
	assert_true(fixture_wait(&fx, is_paused));
	assert_false(fixture_put(&fx, "http://www.example/refused", "", 1000));
	assert_int_equal(fixture_get(&fx, "http://www.example/"), 1000);
	waitpid(pid, NULL, 0);
	assert_true(fixture_wait(&fx, is_normal));
	assert_int_equal(fixture_get(&fx, "http://www.example/wait"), 1000);
}

/* What waits to be removed is bounded: beyond it the file goes, and nothing purged is served again. */
static void a_flood_of_purges_under_a_lock_costs_the_file(void **state)
{
	enum { MANY = 70000 };
	char url[64];
	pid_t pid;

	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/", "", 1000));
	pid = fixture_hold_lock(&fx, 4000000);
	assert_true(fixture_put(&fx, "http://www.example/wait", "", 1000));
	for (int i = 0; i < MANY; i++) {
		url_of(url, sizeof(url), i);
		disk_remove_all(fx.disk, fixture_key(&fx, url));
	}
	assert_int_equal(fixture_get(&fx, "http://www.example/"), -2);
	assert_true(fixture_wait(&fx, is_normal));
	waitpid(pid, NULL, 0);
	assert_int_equal(fixture_get(&fx, "http://www.example/wait"), -2);
	assert_true(exists("cache.db.damaged"));
	assert_true(fixture_store(&fx, "http://www.example/new", "", 1000));
	assert_int_equal(fixture_get(&fx, "http://www.example/new"), 1000);
}

static void bound_files(rlim_t bytes)
{
	struct rlimit limit;

	check(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static bool has_nothing_left(struct disk_fixture *fixture)
{
	return fixture_sql(fixture, "CREATE TEMP TABLE t(n CHECK(n = 0));"
				    "INSERT INTO t SELECT count(*) FROM chunk") == 0;
}

/* Pieces that could not be swept the first time are swept later, while the program runs. */
static void pieces_go_though_a_commit_failed(void **state)
{
	enum { BYTES = 200000 };
	struct object *object;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_true(fixture_store(&fx, "http://www.example/", "", BYTES));
	object = fixture_find_lazily(&fx, "http://www.example/"); /* keeps its pieces for now */
	assert_non_null(object);
	assert_int_equal(fixture_sql(&fx, "DELETE FROM cache"), 0);
	assert_true(fixture_wait(&fx, has_no_objects));
	bound_files(0);
	object_unref(object);
	assert_true(fixture_wait(&fx, is_paused));
	bound_files(RLIM_INFINITY);
	assert_true(fixture_wait(&fx, has_nothing_left));
}

static void a_full_disk_stops_stores_and_not_hits(void **state)
{
	char url[64];

	(void)state;
	close_disk();
	if (mount("none", fx.directory, "tmpfs", 0, "size=6m") != 0) {
		print_message("skipped: a small tmpfs cannot be mounted here\n");
		skip();
	}
	fx.config.max_bytes = 20 * MIB;
	fixture_reopen(&fx);
	for (int i = 0; i < 100 && !is_paused(&fx); i++) {
		url_of(url, sizeof(url), i);
		fixture_store(&fx, url, "", 100000);
	}
	assert_true(is_paused(&fx));
	assert_int_equal(fixture_get(&fx, "http://www.example/0"), 100000);
	assert_false(fixture_store(&fx, "http://www.example/late", "", 1000));
	close_disk();
	assert_int_equal(umount(fx.directory), 0);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		FAULT_TEST(every_committed_object_survives_kill_9),
		FAULT_TEST(a_damaged_file_is_set_aside_at_the_start),
		FAULT_TEST(an_empty_file_becomes_a_database),
		FAULT_TEST(a_changed_body_is_dropped),
		FAULT_TEST(a_body_without_its_end_is_a_miss),
		FAULT_TEST(a_changed_head_is_dropped),
		FAULT_TEST(damage_while_it_runs_is_survived),
		FAULT_TEST(a_dropped_table_is_survived),
		FAULT_TEST(a_deleted_file_is_made_anew),
		FAULT_TEST(another_programs_database_is_left_alone),
		FAULT_TEST(a_newer_schema_is_left_alone),
		FAULT_TEST(a_second_one_on_the_same_file_is_refused),
		FAULT_TEST(a_directory_is_made_and_a_bad_one_refused),
		FAULT_TEST(a_foreign_lock_stops_stores_and_not_hits),
		FAULT_TEST(a_flood_of_purges_under_a_lock_costs_the_file),
		FAULT_TEST(pieces_go_though_a_commit_failed),
		FAULT_TEST(a_full_disk_stops_stores_and_not_hits),
	};

	alarm(180);
	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

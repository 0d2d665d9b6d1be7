/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers without a reader thread: cache/disk/disk_peek.h, cache/disk/disk_pages.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cache/disk/disk_pages.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "tests/support/disk_fixture.h"

enum { MIB = 1 << 20, WAIT_S = 10 };

static struct disk_fixture fx;

/* Can files here be read without waiting? */
static bool system_can(void)
{
	char *path = fixture_path(&fx, "cache.db");
	char byte;
	const struct iovec iov = {&byte, 1};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool can = fd >= 0 && preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == 1;

	/* Closing it drops SQLite's locks, so this is asked before the disk is opened. */
	if (fd >= 0)
		close(fd);
	mem_free(path);
	return can;
}

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

static void skip_unless_system_can(void)
{
	static int can = -1;

	if (can < 0) {
		disk_close(fx.disk);
		can = system_can();
		fx.disk = NULL;
		fixture_reopen(&fx);
	}
	if (!can)
		skip();
}

static enum disk_now ask_now(const char *url, struct object **object)
{
	struct http_head head = {0};
	struct disk_query query = {.key = fixture_key(&fx, url), .url = str_of(url), .head = &head};

	*object = NULL;
	return disk_lookup_now(fx.disk, &query, object);
}

/* The body's length at once, -2: a miss, -3: not now. */
static int64_t get_now(const char *url)
{
	struct object *object;

	switch (ask_now(url, &object)) {
	case DISK_NOW_FOUND:
		return fixture_read(&fx, object);
	case DISK_NOW_MISS:
		return -2;
	default:
		return -3;
	}
}

/* A reader thread has opened the door, and the writer, which may just commit something of its own,
 * lets us through. */
static int64_t get_soon(const char *url)
{
	int64_t end_s = clock_mono_ms() / 1000 + WAIT_S;
	int64_t n;

	do {
		fixture_get(&fx, url);
		n = get_now(url);
	} while (n == -3 && clock_mono_ms() / 1000 < end_s);
	return n;
}

static void answers_bodies_of_a_few_pieces_at_once(void **state)
{
	static const size_t sizes[] = {0,    1,     900,   1003,  7000,  8100,  8157,  8158, 8200,
				       9000, 16000, 24576, 32768, 40000, 66499, 66500, 66501,
				       133000, 200000, 262144, 266000};
	char url[64];

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		snprintf(url, sizeof(url), "http://www.example/%zu", sizes[i]);
		assert_true(fixture_store(&fx, url, "", sizes[i]));
		assert_int_equal(get_soon(url), sizes[i]); /* it lies in the log */
	}
	fixture_reopen(&fx); /* closing wrote the log back */
	fixture_wait_loaded(&fx);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		snprintf(url, sizeof(url), "http://www.example/%zu", sizes[i]);
		assert_int_equal(get_soon(url), sizes[i]);
	}
}

static void leaves_large_bodies_to_a_reader_thread(void **state)
{
	(void)state;
	fixture_wait_loaded(&fx);
	assert_true(fixture_store(&fx, "http://www.example/", "", 266001));
	assert_int_equal(fixture_get(&fx, "http://www.example/"), 266001);
	assert_int_equal(get_now("http://www.example/"), -3);
}

static void reads_no_more_than_a_piece_for_who_may_want_less(void **state)
{
	struct http_head head = {0};
	struct disk_query query = {.url = STR("http://www.example/"), .head = &head, .is_lazy = true};
	struct object *object = NULL;

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	query.key = fixture_key(&fx, "http://www.example/");
	assert_true(fixture_store(&fx, "http://www.example/", "", 66501));
	assert_int_equal(get_soon("http://www.example/"), 66501);
	assert_int_equal(disk_lookup_now(fx.disk, &query, &object), DISK_NOW_ASK);
}

/* RFC 9111 §4.3.1: newest first, by whatever request; what is known is passed over, and no hit counted. */
static void finds_the_variants_that_are_not_known(void **state)
{
	static const char url[] = "http://www.example/";
	struct http_head head = {0};
	struct disk_known known = {.n = 0};
	struct disk_query query = {.url = STR("http://www.example/"), .head = &head, .known = &known};
	uint64_t sizes = 0;
	struct disk_stats stats;
	struct object *object;

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	query.key = fixture_key(&fx, url);
	assert_true(fixture_store(&fx, url, "", 9));
	assert_true(fixture_store(&fx, url, "accept-language: fi", 20)); /* and the first one goes */
	assert_true(fixture_store(&fx, url, "accept-language: en", 3));
	assert_true(fixture_store(&fx, url, "", 100));
	assert_int_equal(get_soon(url), 100);
	disk_stats(fx.disk, &stats);
	for (int i = 0; i < 3; i++) {
		enum disk_now answer = DISK_NOW_ASK;

		for (int tries = 0; answer == DISK_NOW_ASK && tries < 1000; tries++, usleep(1000))
			answer = disk_lookup_now(fx.disk, &query, &object);
		assert_int_equal(answer, DISK_NOW_FOUND);
		known.id[known.n++] = object->disk_id;
		sizes = sizes * 1000 + object_length(object);
		object_unref(object);
	}
	assert_int_equal(sizes, 100003020);
	assert_int_equal(disk_lookup_now(fx.disk, &query, &object), DISK_NOW_MISS);
	sizes = stats.lookups + stats.hits;
	disk_stats(fx.disk, &stats);
	assert_int_equal(stats.lookups + stats.hits, sizes);
}

/* Trees of three levels, numbers of all lengths, pages in database and log. */
static void finds_each_of_many_objects(void **state)
{
	enum { NOBJECTS = 3000 };
	char url[64];
	unsigned n = 0;

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	for (int i = 0; i < NOBJECTS; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		while (!fixture_put(&fx, url, "", (size_t)i * 7 % 12000))
			fixture_settle(&fx);
	}
	fixture_settle(&fx);
	assert_int_not_equal(get_soon("http://www.example/0"), -3);
	for (int i = 0; i < NOBJECTS; i++) {
		int64_t size;

		snprintf(url, sizeof(url), "http://www.example/%d", i);
		size = get_now(url);
		n += size == -3;
		assert_true(size == -3 || size == (int64_t)i * 7 % 12000);
	}
	assert_true(n < NOBJECTS / 10);
}

/* The door sees another connection's commits, at once. */
static void sql_typed_elsewhere_takes_effect_at_once(void **state)
{
	struct object *object;

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	assert_true(fixture_store(&fx, "http://www.example/p", "", 20000));
	assert_int_equal(get_soon("http://www.example/p"), 20000);
	assert_int_equal(fixture_sql(&fx, "UPDATE object SET expires = 7"), 0);
	if (ask_now("http://www.example/p", &object) == DISK_NOW_FOUND) {
		assert_int_equal(object->facts.expires_s, 7);
		object_unref(object);
	}
	assert_int_equal(fixture_sql(&fx, "DELETE FROM cache"), 0);
	assert_true(get_now("http://www.example/p") < 0);
}

static int64_t expiry_now(const char *url)
{
	struct object *object;
	int64_t expires_s = -1;

	if (get_soon(url) >= 0 && ask_now(url, &object) == DISK_NOW_FOUND) {
		expires_s = object->facts.expires_s;
		object_unref(object);
	}
	return expires_s;
}

/* Each time the row lies in the database, at the same place, and no log tells of the change. */
static void rows_that_change_under_another_log_are_seen(void **state)
{
	static const char url[] = "http://www.example/p";
	char sql[128];

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	assert_true(fixture_store(&fx, "http://www.example/o", "", 100));
	assert_true(fixture_store(&fx, url, "", 20000));
	for (int i = 1000; i < 1005; i++) {
		snprintf(sql, sizeof(sql),
			 "UPDATE object SET expires = %d; PRAGMA wal_checkpoint(TRUNCATE)", i);
		assert_int_equal(fixture_sql(&fx, sql), 0);
		assert_int_equal(expiry_now(url), i);
		assert_int_equal(expiry_now(url), i);
	}
	assert_int_equal(fixture_sql(&fx, "DELETE FROM object WHERE url LIKE '%p';"
					  "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	assert_true(get_soon(url) < 0);
	assert_int_equal(get_soon("http://www.example/o"), 100);
}

/* A lock held elsewhere does not stop hits. */
static void serves_while_the_file_is_locked(void **state)
{
	char *path = fixture_path(&fx, "cache.db");
	char command[256];
	FILE *shell;
	char line[16];

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	assert_true(fixture_store(&fx, "http://www.example/p", "", 20000));
	assert_int_equal(get_soon("http://www.example/p"), 20000);
	if (fixture_shell(&fx, "SELECT 1") == -1) {
		mem_free(path);
		skip();
	}
	snprintf(command, sizeof(command),
		 "(echo '.timeout 5000\nBEGIN EXCLUSIVE; SELECT 1;'; sleep 1) | sqlite3 %s", path);
	mem_free(path);
	shell = popen(command, "r");
	assert_non_null(shell);
	assert_non_null(fgets(line, sizeof(line), shell)); /* it has the lock */
	assert_int_equal(get_now("http://www.example/p"), 20000);
	pclose(shell);
}

/* VACUUM moves the tables: the door is closed, and opened again by a reader thread. */
static void tables_that_move_are_found_again(void **state)
{
	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	for (int i = 0; i < 50; i++) {
		char url[64];

		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_put(&fx, url, "", 30000));
	}
	fixture_settle(&fx);
	assert_int_equal(get_soon("http://www.example/49"), 30000);
	assert_int_equal(fixture_sql(&fx, "DELETE FROM cache WHERE id % 2; VACUUM"), 0);
	assert_true(get_soon("http://www.example/49") != 0);
	for (int i = 0; i < 50; i++) {
		char url[64];
		int64_t n;

		snprintf(url, sizeof(url), "http://www.example/%d", i);
		n = get_now(url);
		assert_true(n == 30000 || n == -2 || n == -3);
	}
}

/* ---- many threads, while the writer stores, checkpoints and evicts */

static atomic_bool is_over;
static atomic_uint nfound, nwrong;

static void *ask_on(void *seed)
{
	unsigned turn = (unsigned)(uintptr_t)seed;

	while (!atomic_load(&is_over)) {
		struct object *object;
		char url[64];

		turn = turn * 1103515245u + 12345u;
		snprintf(url, sizeof(url), "http://www.example/%u", turn >> 16 & 255);
		if (ask_now(url, &object) != DISK_NOW_FOUND)
			continue;
		atomic_fetch_add(&nfound, 1);
		if (!str_eq(object->url, str_of(url)) ||
		    object_length(object) != (uint64_t)object->body_bytes)
			atomic_fetch_add(&nwrong, 1);
		object_unref(object);
	}
	return NULL;
}

static void commits_meanwhile_never_mix_with_what_is_read(void **state)
{
	enum { NTHREADS = 3, NROUNDS = 12 };
	pthread_t threads[NTHREADS];
	char url[64];

	(void)state;
	skip_unless_system_can();
	fixture_wait_loaded(&fx);
	atomic_store(&is_over, false);
	for (uintptr_t i = 0; i < NTHREADS; i++)
		pthread_create(&threads[i], NULL, ask_on, (void *)(i + 1));
	for (unsigned round = 0; round < NROUNDS; round++) {
		for (unsigned i = round % 3; i < 256; i += 3) {
			snprintf(url, sizeof(url), "http://www.example/%u", i);
			fixture_put(&fx, url, "", (i * 977 + round * 131) % 60000);
		}
		fixture_settle(&fx);
		fixture_get(&fx, url);
		if (round == NROUNDS / 2)
			assert_int_equal(fixture_sql(&fx, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	}
	get_soon(url);
	usleep(50000);
	atomic_store(&is_over, true);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&nwrong), 0);
	assert_true(atomic_load(&nfound) > 0);
}

/* ---- numbers */

static void varints_end_where_they_must(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, used;
		uint64_t number;
	} cases[] = {
		{"\x00", 1, 1, 0},
		{"\x7f", 1, 1, 127},
		{"\x81\x00", 2, 2, 128},
		{"\x81", 1, 0, 0},
		{"", 0, 0, 0},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, 9, UINT64_MAX},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const unsigned char *at = (const unsigned char *)cases[i].bytes;
		uint64_t number = 0;

		assert_int_equal(disk_varint(at, at + cases[i].len, &number), cases[i].used);
		assert_int_equal(number, cases[i].number);
	}
}

int main(void)
{
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		DISK_TEST(answers_bodies_of_a_few_pieces_at_once),
		DISK_TEST(leaves_large_bodies_to_a_reader_thread),
		DISK_TEST(reads_no_more_than_a_piece_for_who_may_want_less),
		DISK_TEST(finds_the_variants_that_are_not_known),
		DISK_TEST(finds_each_of_many_objects),
		DISK_TEST(sql_typed_elsewhere_takes_effect_at_once),
		DISK_TEST(rows_that_change_under_another_log_are_seen),
		DISK_TEST(serves_while_the_file_is_locked),
		DISK_TEST(tables_that_move_are_found_again),
		DISK_TEST(commits_meanwhile_never_mix_with_what_is_read),
		cmocka_unit_test(varints_end_where_they_must),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

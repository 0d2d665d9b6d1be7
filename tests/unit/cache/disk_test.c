/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
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

static void stores_and_finds_bodies_of_all_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 1000, 66499, 66500, 66501, 133000, 133001, 3000000};
	char url[64];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		snprintf(url, sizeof(url), "http://www.example/%zu", sizes[i]);
		assert_int_equal(fixture_get(&fx, url), -2);
		assert_true(fixture_store(&fx, url, "", sizes[i]));
		assert_int_equal(fixture_get(&fx, url), sizes[i]);
	}
	fixture_reopen(&fx);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		snprintf(url, sizeof(url), "http://www.example/%zu", sizes[i]);
		assert_int_equal(fixture_get(&fx, url), sizes[i]);
	}
	fixture_wait_loaded(&fx);
	assert_int_equal(fixture_stats(&fx).objects, COUNT(sizes));
	assert_int_equal(fixture_get(&fx, "http://www.example/none"), -2);
}

static void head_and_facts_survive_a_restart(void **state)
{
	struct object *before = fixture_object("http://www.example/", "", 10), *after;

	(void)state;
	assert_true(disk_store(fx.disk, before, fixture_key(&fx, "http://www.example/")));
	fixture_settle(&fx);
	assert_true(before->disk_id > 0);
	fixture_reopen(&fx);
	after = fixture_find(&fx, "http://www.example/", NULL);
	assert_non_null(after);
	assert_true(str_eq(after->head, before->head));
	assert_true(str_eq(after->url, before->url));
	assert_int_equal(after->status, 200);
	assert_int_equal(after->disk_id, before->disk_id);
	assert_int_equal(after->facts.date_s, before->facts.date_s);
	assert_int_equal(after->facts.expires_s, before->facts.expires_s);
	assert_int_equal(after->facts.modified_s, 0);
	assert_int_equal(after->facts.arrived_s, before->facts.arrived_s);
	assert_int_equal(after->facts.flags, before->facts.flags);
	assert_true(object_is_whole(after));
	object_unref(before);
	object_unref(after);
}

/* RFC 9111 §4.1 */
static void variants_are_stored_apart(void **state)
{
	const char *url = "http://www.example/v";
	struct object *object;

	(void)state;
	assert_true(fixture_store(&fx, url, "accept-language: fi", 5));
	assert_true(fixture_store(&fx, url, "accept-language: en", 7));
	assert_int_equal(fixture_read(&fx, fixture_find(&fx, url, "fi")), 5);
	assert_int_equal(fixture_read(&fx, fixture_find(&fx, url, "en")), 7);
	assert_null(fixture_find(&fx, url, "sv"));
	assert_null(fixture_find(&fx, url, NULL));
	/* A new one of the same record takes the old one's place. */
	assert_true(fixture_store(&fx, url, "accept-language: fi", 6));
	assert_int_equal(fixture_stats(&fx).objects, 2);
	object = fixture_find(&fx, url, "fi");
	assert_int_equal(fixture_read(&fx, object), 6);
	assert_int_equal(disk_remove_all(fx.disk, fixture_key(&fx, url)), 2);
	assert_false(disk_may_have(fx.disk, fixture_key(&fx, url)));
	fixture_settle(&fx);
	fixture_reopen(&fx);
	assert_null(fixture_find(&fx, url, "fi"));
}

static void another_url_under_the_same_key_is_no_hit(void **state)
{
	struct object *object = fixture_object("http://www.example/other", "", 3);

	(void)state;
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, "http://www.example/mine")));
	object_unref(object);
	fixture_settle(&fx);
	assert_null(fixture_find(&fx, "http://www.example/mine", NULL));
}

static void what_was_removed_before_it_was_committed_is_not_found(void **state)
{
	const char *url = "http://www.example/r";
	struct object *object = fixture_object(url, "", 3);

	(void)state;
	fixture_wait_loaded(&fx);
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, url)));
	disk_remove_all(fx.disk, fixture_key(&fx, url));
	object_unref(object);
	fixture_settle(&fx);
	assert_int_equal(fixture_get(&fx, url), -2);
	fixture_reopen(&fx);
	assert_int_equal(fixture_get(&fx, url), -2);
}

static void a_renewed_head_replaces_the_old_one(void **state)
{
	const char *url = "http://www.example/304";
	struct object *object = fixture_object(url, "", 100), *renewed;
	struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\nETag: \"new\"\r\n"),
		.url = str_of(url),
		.facts = {.date_s = 5, .expires_s = 6, .arrived_s = 7},
	};

	(void)state;
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, url)));
	fixture_settle(&fx);
	renewed = object_create_renewed(object, &head);
	disk_update_head(fx.disk, object->disk_id, renewed);
	fixture_settle(&fx);
	object_unref(object);
	object_unref(renewed);
	object = fixture_find(&fx, url, NULL);
	assert_non_null(object);
	assert_true(str_eq(object->head, head.head));
	assert_int_equal(object->facts.expires_s, 6);
	assert_int_equal(fixture_read(&fx, object), 100);
}

/* ---- bodies that come as they are stored */

enum { GAP_BYTES = 65536 };

static struct object *start_body(const char *url)
{
	struct object *whole = fixture_object(url, "", 0);
	struct object_head head = {.status = 200, .head = whole->head, .url = whole->url,
				   .body_bytes = -1, .facts = whole->facts};
	struct object *object = object_create(NULL, NULL, NULL, GAP_BYTES);

	object_set_head(object, &head);
	object_unref(whole);
	return object;
}

static void a_body_is_stored_while_it_comes_in_bounded_memory(void **state)
{
	const char *url = "http://www.example/big";
	struct object *object = start_body(url);
	size_t most_bytes = 0;
	char bytes[8192];

	(void)state;
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, url)));
	/* The producer is slower than the disk here; else the store would be given up. */
	for (uint64_t made = 0; made < 64 * MIB; made += sizeof(bytes)) {
		while (!object_may_append(object) || fixture_stats(&fx).queued_bytes > 4 * MIB)
			usleep(200);
		pattern_fill(bytes, sizeof(bytes), made);
		object_append(object, (struct str){bytes, sizeof(bytes)});
		if (object_memory_bytes(object) > most_bytes)
			most_bytes = object_memory_bytes(object);
	}
	object_finish(object);
	object_unref(object);
	fixture_settle(&fx);
	assert_int_equal(fixture_stats(&fx).stored, 1);
	assert_true(most_bytes < MIB);
	object = fixture_find(&fx, url, NULL);
	assert_non_null(object);
	assert_int_equal(object->body_bytes, 64 * MIB);
	assert_true(object_memory_bytes(object) < MIB); /* it waits for its reader */
	assert_int_equal(fixture_read(&fx, object), 64 * MIB);
}

/* The queue is bounded, and a producer never waits for it. */
static void a_body_faster_than_the_disk_is_not_stored(void **state)
{
	const char *url = "http://www.example/fast";
	struct object *object = start_body(url);
	char *bytes = mem_zalloc(MIB);

	(void)state;
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, url)));
	for (int i = 0; i < 60; i++)
		object_append(object, (struct str){bytes, MIB});
	object_finish(object);
	object_unref(object);
	mem_free(bytes);
	fixture_settle(&fx);
	assert_int_equal(fixture_stats(&fx).dropped, 1);
	assert_int_equal(fixture_get(&fx, url), -2);
}

static void a_body_that_is_cut_short_is_not_stored(void **state)
{
	const char *url = "http://www.example/cut";
	struct object *object = start_body(url);
	char *bytes = mem_zalloc(MIB);

	(void)state;
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, url)));
	object_append(object, (struct str){bytes, MIB / 2});
	object_abort(object, EIO);
	object_unref(object);
	mem_free(bytes);
	fixture_settle(&fx);
	assert_int_equal(fixture_get(&fx, url), -2);
	assert_int_equal(fixture_stats(&fx).dropped, 1);
	usleep(500000); /* the sweep comes with a tick */
	assert_int_equal(fixture_sql(&fx, "CREATE TEMP TABLE t(n CHECK(n=0));"
					  "INSERT INTO t SELECT count(*) FROM chunk;"
					  "INSERT INTO t SELECT count(*) FROM orphan"), 0);
}

static void a_reader_that_leaves_ends_the_stream(void **state)
{
	const char *url = "http://www.example/leave";
	struct object_reader reader;
	struct object *object;

	(void)state;
	assert_true(fixture_store(&fx, url, "", 4 * MIB));
	object = fixture_find(&fx, url, NULL);
	assert_non_null(object);
	object_reader_open(&reader, object, 0, fx.loop, NULL, NULL);
	object_reader_close(&reader);
	for (int i = 0; i < 1000 && object_state(object) == OBJECT_FILLING; i++)
		usleep(1000);
	assert_int_equal(object_state(object), OBJECT_ABORTED);
	object_unref(object);
	assert_int_equal(fixture_get(&fx, url), 4 * MIB); /* the next one has it whole */
}

static void on_never(struct disk_query *query, struct object *object)
{
	(void)query;
	(void)object;
	fail_msg("a cancelled question was answered");
}

/* Range: what lies before its beginning is not read. */
static void a_stream_begins_where_its_first_reader_stands(void **state)
{
	enum { SIZE = 3000000, FROM = 2000000 };
	const char *url = "http://www.example/big";
	struct object *object;

	(void)state;
	assert_true(fixture_store(&fx, url, "", SIZE));
	object = fixture_find_lazily(&fx, url);
	assert_non_null(object);
	assert_int_equal(object->body_bytes, SIZE);
	assert_int_equal(fixture_read_from(&fx, object, FROM), SIZE - FROM);
	/* The beginning was never there. */
	assert_int_equal(fixture_read_from(&fx, object, 0), -1);
	object_unref(object);
	/* At the last byte, and at the end. */
	object = fixture_find_lazily(&fx, url);
	assert_int_equal(fixture_read_from(&fx, object, SIZE - 1), 1);
	object_unref(object);
	object = fixture_find_lazily(&fx, url);
	assert_int_equal(fixture_read_from(&fx, object, SIZE), 0);
	object_unref(object);
	object = fixture_find_lazily(&fx, url);
	assert_int_equal(fixture_read_from(&fx, object, 0), SIZE);
	object_unref(object);
}

/* HEAD, 304: a head, and nothing of the body. */
static void a_stream_that_nobody_reads_reads_nothing(void **state)
{
	const char *url = "http://www.example/big";
	struct object *object;

	(void)state;
	assert_true(fixture_store(&fx, url, "", 1000000));
	object = fixture_find_lazily(&fx, url);
	assert_non_null(object);
	usleep(20000);
	assert_int_equal(object_length(object), 0);
	assert_int_equal(object_state(object), OBJECT_FILLING);
	object_unref(object);
}

/* RFC 9111 §4.3.4: a 304 for a body that is on disk. */
static void a_renewed_head_goes_before_the_body_on_disk(void **state)
{
	const char *url = "http://www.example/big";
	const struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\nETag: \"new\"\r\n"),
		.url = str_of(url),
	};
	struct object *object, *renewed;

	(void)state;
	assert_true(fixture_store(&fx, url, "", 1000000));
	object = fixture_find(&fx, url, NULL);
	assert_non_null(object);
	renewed = object_create_renewed(object, &head);
	object_unref(object);
	assert_true(str_eq(renewed->head, head.head));
	assert_int_equal(renewed->body_bytes, 1000000);
	assert_int_equal(fixture_read(&fx, renewed), 1000000);
}

static void a_cancelled_question_is_not_answered(void **state)
{
	const char *url = "http://www.example/cancel";

	(void)state;
	assert_true(fixture_store(&fx, url, "", 100000));
	for (int i = 0; i < 50; i++) {
		char *text = mem_strdup(url);
		struct disk_query *query = mem_zalloc(sizeof(*query));

		*query = (struct disk_query){.key = fixture_key(&fx, url), .url = str_of(text),
					     .loop = fx.loop, .done = on_never};
		disk_lookup(fx.disk, query);
		if (i % 2)
			usleep(200);
		disk_query_cancel(query);
		mem_free(query);
		mem_free(text);
	}
	assert_int_equal(fixture_get(&fx, url), 100000);
}

/* ---- the cap */

static void the_cap_is_kept_and_what_is_asked_for_stays(void **state)
{
	enum { N = 400, SIZE = 40000 };
	struct disk_stats stats;
	char url[64];

	(void)state;
	fx.config.max_bytes = 4 * MIB;
	fixture_reopen(&fx);
	assert_true(fixture_store(&fx, "http://www.example/hot", "", SIZE));
	for (int i = 0; i < N; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_put(&fx, url, "", SIZE));
		if (i % 20 != 0)
			continue;
		fixture_settle(&fx);
		assert_int_equal(fixture_get(&fx, "http://www.example/hot"), SIZE);
	}
	fixture_settle(&fx);
	stats = fixture_stats(&fx);
	assert_true(stats.used_bytes <= 4 * MIB);
	assert_true(stats.evicted >= N - 4 * MIB / SIZE);
	assert_true(stats.objects > 50 && stats.objects < 110);
	assert_int_equal(fixture_get(&fx, url), SIZE); /* the newest */
	assert_int_equal(fixture_get(&fx, "http://www.example/0"), -2);
}

static bool is_at_the_low_mark(struct disk_fixture *fixture)
{
	struct disk_stats stats = fixture_stats(fixture);

	return stats.used_bytes <= stats.low_bytes;
}

/* Squid: cache_swap_low, cache_swap_high; cache_replacement_policy lru. */
static void the_marks_are_kept_and_may_change(void **state)
{
	enum { N = 400, SIZE = 40000 };
	uint64_t most = 0, nfirst, ncommits;
	struct disk_stats stats;
	char url[64];

	(void)state;
	fx.config.max_bytes = 16 * MIB;
	fx.config.marks = (struct disk_marks){.low_percent = 50, .high_percent = 75};
	fx.config.policy = EVICTION_LRU;
	fixture_reopen(&fx);
	assert_true(fixture_store(&fx, "http://www.example/hot", "", SIZE));
	for (int i = 0; i < N; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_put(&fx, url, "", SIZE));
		if (i % 100 == 0) {
			fixture_settle(&fx);
			assert_int_equal(fixture_get(&fx, "http://www.example/hot"), SIZE);
		}
		stats = fixture_stats(&fx);
		most = stats.used_bytes > most ? stats.used_bytes : most;
	}
	assert_true(most > 8 * MIB && most <= 12 * MIB);
	assert_true(fixture_wait(&fx, is_at_the_low_mark)); /* with nothing more to store */
	stats = fixture_stats(&fx);
	assert_true(stats.used_bytes > 7 * MIB);

	assert_int_equal(fixture_get(&fx, "http://www.example/hot"), SIZE);
	assert_int_equal(fixture_get(&fx, "http://www.example/0"), -2);

	nfirst = stats.evicted;
	ncommits = stats.commits;
	disk_set_marks(fx.disk, (struct disk_marks){.low_percent = 25, .high_percent = 10});
	assert_true(fixture_wait(&fx, is_at_the_low_mark));
	stats = fixture_stats(&fx);
	assert_int_equal(stats.high_bytes, stats.low_bytes);
	assert_true(stats.used_bytes > 3 * MIB);
	assert_true(stats.evicted - nfirst > 90);
	assert_true(stats.commits - ncommits >= 3); /* little by little */

	disk_set_marks(fx.disk, (struct disk_marks){.low_percent = 0});
	assert_int_equal(fixture_stats(&fx).low_bytes, 16 * MIB);
}

static void sizes_outside_the_limits_are_refused(void **state)
{
	(void)state;
	fx.config.min_object_bytes = 10;
	fx.config.max_object_bytes = 1000;
	fixture_reopen(&fx);
	assert_false(fixture_store(&fx, "http://www.example/s", "", 9));
	assert_true(fixture_store(&fx, "http://www.example/m", "", 1000));
	assert_false(fixture_store(&fx, "http://www.example/l", "", 1001));
	assert_int_equal(fixture_stats(&fx).refused, 2);
}

static void what_may_not_be_added_to_still_serves(void **state)
{
	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/old", "", 100));
	fixture_settle(&fx);
	fx.config.no_store = true;
	fixture_reopen(&fx);
	assert_false(fixture_store(&fx, "http://www.example/new", "", 100));
	assert_int_equal(fixture_get(&fx, "http://www.example/old"), 100);
}

/* ---- what people type */

static unsigned nremoved;
static uint64_t removed_key;

static void on_removed(void *owner, uint64_t key, uint64_t id)
{
	(void)owner;
	(void)id;
	__atomic_store_n(&removed_key, key, __ATOMIC_RELAXED);
	__atomic_add_fetch(&nremoved, 1, __ATOMIC_RELEASE);
}

static bool has_removed_one(struct disk_fixture *fixture)
{
	(void)fixture;
	return __atomic_load_n(&nremoved, __ATOMIC_ACQUIRE) > 0;
}

static void sql_takes_effect(const char *sql, bool is_gone)
{
	const char *url = "http://www.example/p";

	nremoved = 0;
	assert_true(fixture_store(&fx, url, "", 100));
	assert_int_equal(fixture_sql(&fx, sql), 0);
	if (!fixture_wait(&fx, has_removed_one))
		fail_msg("not noticed: %s", sql);
	assert_int_equal(removed_key, fixture_key(&fx, url));
	assert_int_equal(disk_may_have(fx.disk, removed_key), !is_gone);
	if (is_gone)
		assert_int_equal(fixture_get(&fx, url), -2);
}

static void a_purge_by_sql_takes_effect(void **state)
{
	static const char *const purges[] = {
		"DELETE FROM cache WHERE host = 'www.example'",
		"DELETE FROM object WHERE url LIKE '%/p'",
		"DELETE FROM usage",
		"DELETE FROM content",
		"DELETE FROM host",
		"DELETE FROM biggest WHERE size > 10",
		"DELETE FROM expiring",
	};
	struct object *object;

	(void)state;
	fx.config.on_removed = on_removed;
	fixture_reopen(&fx);
	for (size_t i = 0; i < COUNT(purges); i++)
		sql_takes_effect(purges[i], true);
	sql_takes_effect("UPDATE object SET expires = unixepoch() - 1", false);
	object = fixture_find(&fx, "http://www.example/p", NULL);
	assert_non_null(object);
	assert_true(object->facts.expires_s <= clock_wall_s());
	assert_true(object->facts.flags & FACT_MARKED_STALE);
	object_unref(object);
	sql_takes_effect("UPDATE cache SET expires = '2001-01-01 00:00:00'", false);
}

static void sql_that_would_break_rows_is_refused(void **state)
{
	static const char *const refused[] = {
		"REPLACE INTO object SELECT * FROM object",
		"INSERT INTO usage SELECT id + 1, key, size, used, hits FROM usage",
		"UPDATE object SET header = 'x'",
		"UPDATE object SET id = id + 1",
		"UPDATE cache SET url = 'x'",
		"UPDATE cache SET state = 'stale'",
		"UPDATE usage SET key = 1",
		"UPDATE object SET tags = 'x '",
		"UPDATE OR REPLACE usage SET id = id + 1",
		"UPDATE usage SET rowid = rowid + 1",
		"UPDATE usage SET _rowid_ = 7",
		"UPDATE object SET oid = oid + 1",
		"REPLACE INTO usage SELECT * FROM usage",
		"INSERT INTO cache(url) VALUES ('http://www.example/q')",
		"UPDATE summary SET objects = 0",
		"DELETE FROM summary",
		"UPDATE host SET objects = 0",
		"UPDATE biggest SET size = 0",
		"UPDATE content SET text = ''",
		"DELETE FROM meta",
		"UPDATE meta SET value = 1",
		"INSERT INTO orphan VALUES (1)",
		"INSERT INTO purge(object_id, key, what) SELECT id, key, 'deleted' FROM usage",
		"DELETE FROM purge WHERE 1; INSERT INTO purge_log(what) VALUES ('x')",
		"INSERT INTO purge_log VALUES (1, 1, 'me', 'deleted', 'x', 1, 1)",
		"DELETE FROM chunk",
		"UPDATE chunk SET data = x''",
	};

	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/p", "", 100));
	for (size_t i = 0; i < COUNT(refused); i++)
		if (fixture_sql(&fx, refused[i]) == 0)
			fail_msg("let through: %s", refused[i]);
	assert_int_equal(fixture_get(&fx, "http://www.example/p"), 100);
}

static bool has_nothing_lost(struct disk_fixture *fixture)
{
	/* CHECK fails where the number is not 0. */
	return fixture_sql(fixture, "CREATE TEMP TABLE t(n CHECK (n = 0));"
				    "INSERT INTO t SELECT count(*) FROM object WHERE id NOT IN (SELECT id FROM usage);"
				    "INSERT INTO t SELECT count(*) FROM usage WHERE id NOT IN (SELECT id FROM object);"
				    "INSERT INTO t SELECT count(*) FROM chunk WHERE id >> 20 NOT IN"
				    " (SELECT id FROM usage)") == 0;
}

/* Whoever takes the triggers away can do it still: what is found no more makes room, too. */
static void rows_whose_ids_were_changed_make_room(void **state)
{
	enum { N = 300, SIZE = 40000 };
	char url[64];

	(void)state;
	fx.config.max_bytes = 4 * MIB;
	fixture_reopen(&fx);
	for (int i = 0; i < 80; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_store(&fx, url, "", SIZE));
	}
	assert_int_equal(fixture_sql(&fx, "DROP TRIGGER usage_update; DROP TRIGGER object_update;"
					  "UPDATE usage SET id = id + 100000 WHERE id % 2;"
					  "UPDATE object SET id = -id WHERE id % 3 = 0"), 0);
	for (int i = 80; i < N; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_put(&fx, url, "", SIZE));
		if (i % 20 == 0)
			fixture_settle(&fx);
	}
	fixture_settle(&fx);
	assert_true(fixture_wait(&fx, has_nothing_lost));
	assert_true(fixture_store(&fx, "http://www.example/last", "", SIZE));
	assert_int_equal(fixture_get(&fx, "http://www.example/last"), SIZE);
	for (int i = 0; i < 80; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_false(fixture_get(&fx, url) == -1); /* gone, or right */
	}
	fixture_reopen(&fx);
	assert_int_not_equal(fixture_sql(&fx, "UPDATE usage SET id = 7"), 0); /* they are there again */
}

static void the_sqlite3_program_shows_and_purges(void **state)
{
	(void)state;
	assert_true(fixture_store(&fx, "http://www.example/p", "accept-language", 100));
	if (fixture_shell(&fx, "SELECT 1") == -1) {
		print_message("skipped: sqlite3 is not installed\n");
		skip();
	}
	assert_int_equal(fixture_shell(&fx, "CREATE TEMP TABLE t(n CHECK(n = 1));"
		"INSERT INTO t SELECT count(*) FROM cache WHERE state = 'fresh' AND hits = 0"
		" AND type = 'text/plain' AND host = 'www.example' AND size = 100;"
		"INSERT INTO t SELECT count(*) FROM content WHERE length(CAST(text AS BLOB)) = 100;"
		"INSERT INTO t SELECT objects FROM summary; INSERT INTO t SELECT objects FROM host;"
		"INSERT INTO t SELECT count(*) FROM object WHERE etag = '\"x\"'"), 0);
	assert_int_equal(fixture_shell(&fx, "DELETE FROM cache WHERE host = 'www.example'"), 0);
	usleep(400000);
	assert_int_equal(fixture_stats(&fx).objects, 0);
}

static uint64_t database_bytes(void)
{
	char *path = fixture_path(&fx, "cache.db");
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	mem_free(path);
	return (uint64_t)st.st_size;
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void the_log_is_written_back_beside_and_then_all_is_quiet(void **state)
{
	enum { MAX_OBJECTS = 80, OBJECT_BYTES = MIB / 2, QUIET_US = 600000 };
	char url[64];
	uint64_t before;
	int i;

	(void)state;
	for (i = 0; i < MAX_OBJECTS && database_bytes() < 4 * MIB; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", i);
		assert_true(fixture_store(&fx, url, "", OBJECT_BYTES));
	}
	assert_in_range(i, 1, MAX_OBJECTS - 1);
	before = cpu_us();
	usleep(QUIET_US);
	assert_in_range(cpu_us() - before, 0, QUIET_US / 2);
}

/* ---- questions in one transaction of a reader, while the writer commits */

enum { QUESTIONS = 64 };

static struct disk_query questions[QUESTIONS];
static unsigned nasked;

static void count_answer(struct disk_query *query, struct object *object)
{
	(void)query;
	object_unref(object);
	if (--nasked == 0)
		loop_stop(fx.loop);
}

/* Many of one, then one of the other: all are answered when this returns. */
static void ask_many(const char *one, const char *other)
{
	static const struct http_head no_fields;

	nasked = QUESTIONS;
	for (unsigned i = 0; i < QUESTIONS; i++) {
		const char *url = i + 4 < QUESTIONS ? one : other;

		questions[i] = (struct disk_query){.key = fixture_key(&fx, url), .url = str_of(url),
						   .head = &no_fields, .loop = fx.loop,
						   .done = count_answer};
		disk_lookup(fx.disk, &questions[i]);
	}
	loop_run(fx.loop);
}

/* A reader's transaction may be older than what the index says: that is no reason to forget it. */
static void what_was_just_committed_is_not_forgotten(void **state)
{
	enum { ROUNDS = 10, LARGE = 60000 };
	const char *often = "http://www.example/often", *renewed = "http://www.example/renewed";

	(void)state;
	fixture_wait_loaded(&fx);
	assert_true(fixture_store(&fx, often, "", LARGE));
	assert_true(fixture_store(&fx, renewed, "", 1));
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(fixture_put(&fx, renewed, "", (size_t)i));
		do
			ask_many(often, renewed);
		while (fixture_stats(&fx).queued_bytes > 0);
		if (!disk_may_have(fx.disk, fixture_key(&fx, renewed)))
			fail_msg("forgotten in round %d", i);
	}
}

int main(void)
{
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		DISK_TEST(stores_and_finds_bodies_of_all_sizes),
		DISK_TEST(head_and_facts_survive_a_restart),
		DISK_TEST(variants_are_stored_apart),
		DISK_TEST(another_url_under_the_same_key_is_no_hit),
		DISK_TEST(what_was_removed_before_it_was_committed_is_not_found),
		DISK_TEST(a_renewed_head_replaces_the_old_one),
		DISK_TEST(a_body_is_stored_while_it_comes_in_bounded_memory),
		DISK_TEST(a_body_faster_than_the_disk_is_not_stored),
		DISK_TEST(a_body_that_is_cut_short_is_not_stored),
		DISK_TEST(a_reader_that_leaves_ends_the_stream),
		DISK_TEST(a_stream_begins_where_its_first_reader_stands),
		DISK_TEST(a_stream_that_nobody_reads_reads_nothing),
		DISK_TEST(a_renewed_head_goes_before_the_body_on_disk),
		DISK_TEST(a_cancelled_question_is_not_answered),
		DISK_TEST(what_was_just_committed_is_not_forgotten),
		DISK_TEST(the_cap_is_kept_and_what_is_asked_for_stays),
		DISK_TEST(the_marks_are_kept_and_may_change),
		DISK_TEST(sizes_outside_the_limits_are_refused),
		DISK_TEST(what_may_not_be_added_to_still_serves),
		DISK_TEST(the_log_is_written_back_beside_and_then_all_is_quiet),
		DISK_TEST(a_purge_by_sql_takes_effect),
		DISK_TEST(sql_that_would_break_rows_is_refused),
		DISK_TEST(rows_whose_ids_were_changed_make_room),
		DISK_TEST(the_sqlite3_program_shows_and_purges),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

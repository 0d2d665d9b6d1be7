/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "cache/disk/disk_internal.h"
#include "cache/purge.h"
#include "lib/base/clock.h"
#include "tests/support/disk_fixture.h"

enum { BODY_BYTES = 4 };

static struct disk_fixture fx;
static struct purge_list *purges;

static int set_up(void **state)
{
	(void)state;
	fixture_open(&fx, 64 << 20);
	purges = purge_list_create();
	fx.config.purges = purges;
	fixture_reopen(&fx);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_close(&fx);
	purge_list_destroy(purges);
	return 0;
}

/* ---- purging, and waiting for it */

static bool is_done;

static void done(struct disk_purge *job)
{
	(void)job;
	is_done = true;
	loop_stop(fx.loop);
}

static uint64_t run(struct purge *purge, uint64_t key)
{
	struct disk_purge job = {
		.purge = purge,
		.who = "a test",
		.what = "what it says",
		.key = key,
		.loop = fx.loop,
		.done = done,
	};

	is_done = false;
	purge_list_add(purges, purge);
	disk_purge(fx.disk, &job);
	while (!is_done)
		loop_run(fx.loop);
	assert_false(job.is_cut);
	return job.nmatched;
}

static uint64_t purge_prefix(const char *prefix, bool is_soft, bool is_dry)
{
	struct purge *purge = purge_create(PURGE_PREFIX, str_of(prefix));
	uint64_t n;

	purge->is_soft = is_soft;
	purge->is_dry = is_dry;
	n = run(purge, 0);
	purge_unref(purge);
	return n;
}

static void store_some(const char *prefix, unsigned n)
{
	char url[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(url, sizeof(url), "http://%s/%u", prefix, i);
		while (!fixture_put(&fx, url, "", 10))
			fixture_settle(&fx);
	}
	fixture_settle(&fx);
}

static uint64_t nobjects(void)
{
	struct disk_stats stats;

	disk_stats(fx.disk, &stats);
	return stats.objects;
}

/* ---- tests */

static void what_it_means_goes_and_nothing_else(void **state)
{
	enum { MANY = 1500 }; /* more than a slice */

	(void)state;
	store_some("a", MANY);
	store_some("b", MANY);
	assert_int_equal(purge_prefix("http://a/", false, true), MANY);
	assert_int_equal(nobjects(), 2 * MANY);
	assert_int_equal(purge_prefix("http://a/", false, false), MANY);
	assert_int_equal(nobjects(), MANY);
	assert_int_equal(fixture_get(&fx, "http://a/7"), -2);
	assert_int_equal(fixture_get(&fx, "http://b/7"), 10);
	assert_int_equal(purge_prefix("http://c/", false, false), 0);
	fixture_reopen(&fx);
	fixture_wait_loaded(&fx);
	assert_int_equal(nobjects(), MANY);
}

static void softly_it_stays_and_is_stale(void **state)
{
	struct object *object;

	(void)state;
	store_some("a", 3);
	assert_int_equal(purge_prefix("http://a/1", true, false), 1);
	object = fixture_find(&fx, "http://a/1", NULL);
	assert_non_null(object);
	assert_true(object->facts.expires_s <= clock_wall_s());
	assert_true(object->facts.flags & FACT_MARKED_STALE);
	object_unref(object);
	object = fixture_find(&fx, "http://a/2", NULL);
	assert_true(object->facts.expires_s > clock_wall_s());
	object_unref(object);
}

static void all_variants_of_a_url_are_found_by_its_key(void **state)
{
	struct purge *purge = purge_create(PURGE_URL, STR("http://a/"));

	(void)state;
	assert_true(fixture_store(&fx, "http://a/", "accept-language: fi", 10));
	assert_true(fixture_store(&fx, "http://a/", "accept-language: en", 10));
	assert_true(fixture_store(&fx, "http://b/", "", 10));
	assert_int_equal(run(purge, fixture_key(&fx, "http://a/")), 2);
	assert_int_equal(nobjects(), 1);
	purge_unref(purge);
}

static struct object_head late_head(void)
{
	return (struct object_head){
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\n"),
		.url = STR("http://a/late"),
		.body_bytes = BODY_BYTES,
		.since = purge_list_now(purges),
	};
}

static struct object *create_late(const struct object_head *head)
{
	char body[BODY_BYTES];

	pattern_fill(body, sizeof(body), 0);
	return object_create_whole(head, (struct str){body, sizeof(body)});
}

/* Handed over after a soft purge has ended; what it holds is of before. */
static void what_was_asked_for_before_a_soft_purge_is_stored_stale(void **state)
{
	struct object_head head = late_head();
	struct object *object;

	(void)state;
	assert_int_equal(purge_prefix("http://a/", true, false), 0);
	object = create_late(&head);
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, "http://a/late")));
	object_unref(object);
	fixture_settle(&fx);
	object = fixture_find(&fx, "http://a/late", NULL);
	assert_non_null(object);
	assert_true(object->facts.flags & FACT_MARKED_STALE);
	object_unref(object);
}

/* It is handed over after the purge has ended; what it holds is of before. */
static void what_was_asked_for_before_is_not_stored(void **state)
{
	struct object_head head = late_head();
	struct object *object;

	(void)state;
	assert_int_equal(purge_prefix("http://a/", false, false), 0);
	object = create_late(&head);
	disk_store(fx.disk, object, fixture_key(&fx, "http://a/late"));
	object_unref(object);
	fixture_settle(&fx);
	assert_int_equal(nobjects(), 0);
	head.since = purge_list_now(purges);
	object = create_late(&head);
	assert_true(disk_store(fx.disk, object, fixture_key(&fx, "http://a/late")));
	object_unref(object);
	fixture_settle(&fx);
	assert_int_equal(nobjects(), 1);
}

/* As if it were being read: the writer does not sweep it. */
static void pin_all(struct disk_pin *pins, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		disk_pin(fx.disk, &pins[i], i + 1);
}

static void unpin_all(struct disk_pin *pins, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		disk_unpin(fx.disk, &pins[i]);
}

static void what_is_not_stored_leaves_no_piece_to_a_crash(void **state)
{
	enum { IDS = 16 };
	struct disk_pin pins[IDS];
	struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\n"),
		.url = STR("http://a/late"),
		.body_bytes = BODY_BYTES,
		.since = purge_list_now(purges),
	};
	struct object *object = create_late(&head);

	(void)state;
	purge_prefix("http://a/", false, false);
	pin_all(pins, IDS);
	disk_store(fx.disk, object, fixture_key(&fx, "http://a/late"));
	object_unref(object);
	fixture_settle(&fx);
	/* Its piece is there and stands where it is found after a crash. */
	assert_int_equal(fixture_sql(&fx, "CREATE TEMP TABLE t(n CHECK(n = 1)); INSERT INTO t SELECT"
					  " count(*) FROM chunk WHERE id >> 20 IN (SELECT id FROM"
					  " orphan)"), 0);
	unpin_all(pins, IDS);
}

static bool has_log_line(struct disk_fixture *fixture)
{
	return fixture_sql(fixture, "CREATE TEMP TABLE t(n CHECK(n = 1)); INSERT INTO t SELECT count(*)"
				    " FROM purged WHERE who = 'a test' AND how = 'deleted'"
				    " AND what = 'what it says' AND objects = 2") == 0;
}

static void the_log_has_a_line_and_is_bounded(void **state)
{
	(void)state;
	store_some("a", 2);
	assert_int_equal(purge_prefix("http://a/", false, false), 2);
	assert_true(fixture_wait(&fx, has_log_line));
	for (int i = 0; i < 1100; i++)
		disk_log_purge(fx.disk, "many", "deleted", "url x", 1);
	fixture_settle(&fx);
	assert_int_equal(fixture_sql(&fx, "CREATE TEMP TABLE t(n CHECK(n BETWEEN 900 AND 1000));"
					  "INSERT INTO t SELECT count(*) FROM purge_log"), 0);
}

int main(void)
{
#define PURGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		PURGE_TEST(what_it_means_goes_and_nothing_else),
		PURGE_TEST(softly_it_stays_and_is_stale),
		PURGE_TEST(what_was_asked_for_before_a_soft_purge_is_stored_stale),
		PURGE_TEST(all_variants_of_a_url_are_found_by_its_key),
		PURGE_TEST(what_was_asked_for_before_is_not_stored),
		PURGE_TEST(what_is_not_stored_leaves_no_piece_to_a_crash),
		PURGE_TEST(the_log_has_a_line_and_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

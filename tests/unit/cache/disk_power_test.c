/* SPDX-License-Identifier: BSD-2-Clause */
/* The power goes at any moment, and the device keeps what was synced and any part of the rest. What
 * is found afterwards is whole and right. POWER_CUTS: how many (12; make endurance: 200). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/schema.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "tests/support/cut_vfs.h"
#include "tests/support/disk_fixture.h"

enum {
	MIB = 1 << 20,
	CAP = 6 * MIB,
	WINDOW = 200, /* of the last objects; older ones are evicted */
	LARGEST = 150000,
	ONE_PIECE = 66000,
	MORE_CUTS = 20, /* times as many, until one does harm */
};

static struct disk_fixture fx, after;
static char *prefix;
static int nobjects;
static size_t largest;
static uint64_t nfound, ndamages;

static int ncuts(void)
{
	const char *text = getenv("POWER_CUTS");

	return text ? atoi(text) : 12;
}

/* The cut's two disks: one that runs on, and one that is opened after each cut. */
static int set_up(void **state)
{
	(void)state;
	schema_setup_once();
	fixture_open(&after, CAP);
	disk_close(after.disk);
	after.disk = NULL;
	fixture_open(&fx, CAP);
	disk_close(fx.disk);
	fx.disk = NULL;
	prefix = fixture_path(&fx, "cache.db");
	cut_vfs_install(prefix);
	fixture_reopen(&fx);
	nobjects = 0;
	nfound = ndamages = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_close(&fx);
	fixture_close(&after);
	cut_vfs_install(NULL);
	mem_free(prefix);
	return 0;
}

static const char *url_of(int n)
{
	static char url[64];

	snprintf(url, sizeof(url), "http://www.example/%d", n);
	return url;
}

/* No two of a window are alike, so that a body of another would be noticed. */
static size_t size_of(int n)
{
	return (size_t)(n * 7919) % largest;
}

static void store_some(void)
{
	int n = rand() % 40;

	for (int i = 0; i < n; i++) {
		while (!fixture_put(&fx, url_of(nobjects), "", size_of(nobjects)))
			usleep(1000);
		nobjects++;
		if (rand() % 4 == 0)
			disk_remove_all(fx.disk, fixture_key(&fx, url_of(nobjects - rand() % 50)));
	}
	if (rand() % 3 == 0)
		fixture_settle(&fx);
}

static void cut_power(void)
{
	static const char *const suffixes[] = {"", "-wal"};
	char *shm = fixture_path(&after, "cache.db-shm");

	unlink(shm);
	mem_free(shm);
	cut_vfs_lock();
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		char *name = mem_printf("cache.db%s", suffixes[i]);
		char *path = fixture_path(&after, name);

		cut_vfs_leave(suffixes[i], path);
		mem_free(path);
		mem_free(name);
	}
	cut_vfs_unlock();
}

/* What is found is what was stored. */
static void look_at_all(void)
{
	int first = nobjects > WINDOW ? nobjects - WINDOW : 0;

	for (int n = first; n < nobjects; n++) {
		int64_t got = fixture_get(&after, url_of(n));

		nfound += got >= 0;
		if (got != -2 && got != (int64_t)size_of(n))
			fail_msg("object %d of %zu bytes: %lld", n, size_of(n), (long long)got);
	}
}

static int64_t ask(sqlite3 *db, const char *sql)
{
	int64_t n = -1;

	schema_number(db, sql, &n);
	return n;
}

static void is_sound(void)
{
	char *path = fixture_path(&after, "cache.db");
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	mem_free(path);
	assert_int_equal(ask(db, "SELECT count(*) FROM pragma_integrity_check"
				 " WHERE integrity_check <> 'ok'"), 0);
	assert_int_equal(ask(db, "SELECT count(*) FROM object o WHERE size <> (SELECT"
				 " coalesce(sum(length(data)), 0) FROM chunk WHERE id >> 20 = o.id)"), 0);
	assert_int_equal(ask(db, "SELECT count(*) FROM object WHERE id NOT IN"
				 " (SELECT id FROM usage)"), 0);
	sqlite3_close(db);
}

static void cut_and_look(void)
{
	struct disk_stats stats;

	store_some();
	cut_power();
	fixture_reopen(&after);
	look_at_all();
	disk_stats(after.disk, &stats);
	ndamages += stats.bad_pieces + stats.recreated + stats.faults;
	disk_close(after.disk);
	after.disk = NULL;
}

static void a_power_cut_costs_nothing_that_was_synced(void **state)
{
	(void)state;
	largest = LARGEST;
	for (int i = 0; i < ncuts(); i++) {
		cut_and_look();
		is_sound();
	}
	assert_int_equal(ndamages, 0);
	assert_true(nfound > (uint64_t)ncuts()); /* else it tested nothing */
}

/* What it says it has synced is lost: the cache may be, a wrong byte is not served. */
static void a_card_that_lies_costs_the_cache_only(void **state)
{
	char *aside = fixture_path(&after, "cache.db.damaged");

	(void)state;
	largest = ONE_PIECE; /* else a body may be cut short by its second piece */
	cut_vfs_lie(true);
	for (int i = 0; i < ncuts() || (ndamages == 0 && i < MORE_CUTS * ncuts()); i++) {
		cut_and_look();
		ndamages += unlink(aside) == 0;
	}
	mem_free(aside);
	assert_true(ndamages > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_power_cut_costs_nothing_that_was_synced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_card_that_lies_costs_the_cache_only, set_up,
						tear_down),
	};

	alarm(600);
	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

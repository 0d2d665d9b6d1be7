/* SPDX-License-Identifier: BSD-2-Clause */
/* write-budget= of cache_dir. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "tests/support/disk_fixture.h"

enum { MIB = 1 << 20, SIZE = 512 << 10, MANY = 400 };

static struct disk_fixture fx;

static int set_up(void **state)
{
	(void)state;
	fixture_open(&fx, 256 * MIB);
	fx.config.write_budget_bytes = 8 * MIB;
	fixture_reopen(&fx);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fixture_close(&fx);
	return 0;
}

/* Stores new objects until the budget is in that state. */
static void spend_until(enum disk_budget budget)
{
	static int n;
	char url[64];

	for (int i = 0; i < MANY && fixture_stats(&fx).budget != budget; i++) {
		snprintf(url, sizeof(url), "http://www.example/%d", n++);
		/* Twice, lest it be too seldom asked for. */
		if (!fixture_store(&fx, url, "", SIZE))
			fixture_store(&fx, url, "", SIZE);
	}
	assert_int_equal(fixture_stats(&fx).budget, budget);
}

static void the_bytes_of_a_day_are_bounded(void **state)
{
	(void)state;
	spend_until(DISK_BUDGET_SPENT);
	assert_true(fixture_stats(&fx).written_bytes >= 8 * MIB);
	assert_true(fixture_stats(&fx).written_bytes < 8 * MIB + 3 * SIZE);
	assert_false(fixture_store(&fx, "http://www.example/more", "", 10));
	assert_true(fixture_stats(&fx).not_admitted > 0);
	assert_int_equal(fixture_get(&fx, "http://www.example/0"), SIZE); /* hits go on */
	assert_int_equal(disk_remove_all(fx.disk, fixture_key(&fx, "http://www.example/0")), 1);
	fixture_settle(&fx);
	assert_int_equal(fixture_get(&fx, "http://www.example/0"), -2); /* and so do purges */
}

static void with_little_left_only_what_is_asked_for_again_is_stored(void **state)
{
	(void)state;
	spend_until(DISK_BUDGET_SHORT);
	assert_false(fixture_store(&fx, "http://www.example/once", "", 10));
	assert_false(fixture_store(&fx, "http://www.example/other", "", 10));
	assert_true(fixture_store(&fx, "http://www.example/once", "", 10));
	assert_int_equal(fixture_get(&fx, "http://www.example/once"), 10);
}

static void a_restart_does_not_begin_anew(void **state)
{
	(void)state;
	spend_until(DISK_BUDGET_SPENT);
	fixture_reopen(&fx);
	assert_true(fixture_stats(&fx).budget >= DISK_BUDGET_SHORT); /* the last batch may be missing */
	fx.config.write_budget_bytes = 4 * MIB;
	fixture_reopen(&fx);
	assert_int_equal(fixture_stats(&fx).budget, DISK_BUDGET_SPENT);
}

static void yesterday_is_forgotten(void **state)
{
	(void)state;
	spend_until(DISK_BUDGET_SPENT);
	assert_int_equal(fixture_sql(&fx, "DROP TRIGGER meta_update;"
					  "UPDATE meta SET value = value - 1"
					  " WHERE name = 'budget_day'"), 0);
	fixture_reopen(&fx);
	assert_int_equal(fixture_stats(&fx).budget, DISK_BUDGET_AMPLE);
	assert_true(fixture_store(&fx, "http://www.example/today", "", 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_bytes_of_a_day_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			with_little_left_only_what_is_asked_for_again_is_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_restart_does_not_begin_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(yesterday_is_forgotten, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

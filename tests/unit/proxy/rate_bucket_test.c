/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/session/rate_bucket.h"

static const struct rate_limit slow = {1000, 5000};

static void a_bucket_begins_full_and_fills_at_its_rate(void **state)
{
	struct rate_bucket bucket = {0};

	(void)state;
	assert_int_equal(rate_bucket_level(&bucket, &slow, 10000), 5000);
	rate_bucket_take(&bucket, &slow, 5000, 10000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 10000), 0);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 12000), 2000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 15000), 5000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 60000), 5000);
}

static void what_was_taken_in_advance_is_owed(void **state)
{
	struct rate_bucket bucket = {0};

	(void)state;
	rate_bucket_take(&bucket, &slow, 8000, 10000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 10000), -3000);
	assert_int_equal(rate_bucket_wait_ms(&bucket, &slow, 1000, 10000), 4001);
	assert_int_equal(rate_bucket_wait_ms(&bucket, &slow, 1000, 14001), 0);
	/* more than it holds is never waited for */
	assert_int_equal(rate_bucket_wait_ms(&bucket, &slow, 1000000, 18000), 0);
}

static void a_part_of_it_may_be_there_at_first(void **state)
{
	struct rate_bucket bucket;

	(void)state;
	rate_bucket_fill(&bucket, &slow, 20, 10000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 10000), 1000);
	rate_bucket_fill(&bucket, &slow, 0, 10000);
	assert_int_equal(rate_bucket_level(&bucket, &slow, 10000), 0);
}

/* Numbers that would overflow: the bucket owes for ever, and no more. */
static void large_numbers_saturate(void **state)
{
	static const struct rate_limit never = {0, INT64_MAX};
	struct rate_bucket bucket = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		rate_bucket_take(&bucket, &slow, UINT64_MAX, 10000);
	assert_true(rate_bucket_level(&bucket, &slow, 10000) < 0);
	rate_bucket_fill(&bucket, &never, 0, 10000);
	assert_true(rate_bucket_wait_ms(&bucket, &never, 1, 10000) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_begins_full_and_fills_at_its_rate),
		cmocka_unit_test(what_was_taken_in_advance_is_owed),
		cmocka_unit_test(a_part_of_it_may_be_there_at_first),
		cmocka_unit_test(large_numbers_saturate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

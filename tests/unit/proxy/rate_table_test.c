/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "lib/base/hash.h"
#include "proxy/limits/rate_table.h"
#include "proxy/session/rate_bucket.h"

/* Ten a second, twenty at once. */
static const struct rate_limit limit = {10, 20};

static uint64_t key_of(const struct rate_table *table, unsigned number)
{
	return hash_str((struct str){(const char *)&number, sizeof(number)}, rate_table_seed(table));
}

static unsigned count_granted(struct rate_table *table, uint64_t key, unsigned asked, int64_t now_ms)
{
	unsigned granted = 0;

	for (unsigned i = 0; i < asked; i++)
		granted += rate_table_take(table, key, &limit, 1, now_ms) == 0;
	return granted;
}

static void who_asks_without_end_gets_the_rate(void **state)
{
	struct rate_table *table = rate_table_create();
	uint64_t key = key_of(table, 1);
	unsigned granted = 0;

	(void)state;
	for (int64_t ms = 1000; ms < 11000; ms += 2) /* 500 a second for ten */
		granted += rate_table_take(table, key, &limit, 1, ms) == 0;
	assert_in_range(granted, 20 + 99, 20 + 100);
	rate_table_destroy(table);
}

static void a_refusal_says_when_and_takes_nothing(void **state)
{
	struct rate_table *table = rate_table_create();
	uint64_t key = key_of(table, 1);
	int64_t wait_ms;

	(void)state;
	assert_int_equal(count_granted(table, key, 30, 5000), 20);
	wait_ms = rate_table_take(table, key, &limit, 1, 5000);
	assert_in_range(wait_ms, 100, 101);
	assert_int_equal(rate_table_take(table, key, &limit, 1, 5000 + wait_ms), 0);
	rate_table_destroy(table);
}

/* A thousand abusers that use up their buckets take nothing from a thousand others. */
static void nobody_pays_for_another(void **state)
{
	struct rate_table *table = rate_table_create();
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(count_granted(table, key_of(table, i), 25, 5000), 20);
	for (unsigned i = 1000; i < 2000; i++)
		refused += rate_table_take(table, key_of(table, i), &limit, 1, 5000) != 0;
	assert_int_equal(refused, 0);
	rate_table_destroy(table);
}

/* As the header says: of 16384 that are active some few begin anew. */
static void a_full_table_errs_in_favour_of_clients(void **state)
{
	struct rate_table *table = rate_table_create();
	unsigned forgotten = 0;

	(void)state;
	for (unsigned i = 0; i < 16384; i++)
		count_granted(table, key_of(table, i), 20, 5000);
	for (unsigned i = 0; i < 16384; i++)
		forgotten += rate_table_take(table, key_of(table, i), &limit, 1, 5000) == 0;
	assert_in_range(forgotten, 0, 40);
	/* once they are idle again, all have room */
	for (unsigned i = 20000; i < 21000; i++)
		assert_int_equal(count_granted(table, key_of(table, i), 25, 20000), 20);
	rate_table_destroy(table);
}

struct taker {
	struct rate_table *table;
	uint64_t key;
	unsigned granted;
};

static void *take_many(void *arg)
{
	struct taker *taker = arg;

	taker->granted = count_granted(taker->table, taker->key, 1000, 5000);
	return NULL;
}

static void threads_get_each_token_once(void **state)
{
	struct rate_table *table = rate_table_create();
	struct taker takers[4];
	pthread_t threads[4];
	unsigned granted = 0;

	(void)state;
	/* the key has its slot: before, two threads may both begin it */
	assert_int_equal(rate_table_take(table, key_of(table, 1), &limit, 1, 5000), 0);
	for (unsigned i = 0; i < 4; i++) {
		takers[i] = (struct taker){table, key_of(table, 1), 0};
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		granted += takers[i].granted;
	}
	assert_int_equal(granted, 19);
	rate_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_without_end_gets_the_rate),
		cmocka_unit_test(a_refusal_says_when_and_takes_nothing),
		cmocka_unit_test(nobody_pays_for_another),
		cmocka_unit_test(a_full_table_errs_in_favour_of_clients),
		cmocka_unit_test(threads_get_each_token_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

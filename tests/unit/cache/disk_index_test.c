/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "cache/disk/disk_index.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"

static uint64_t key_of(uint64_t n)
{
	return hash_str((struct str){(const char *)&n, sizeof(n)}, 7);
}

static void finds_what_was_inserted_and_nothing_else(void **state)
{
	enum { N = 50000 };
	struct disk_index *index = disk_index_create();
	uint64_t id;

	(void)state;
	for (uint64_t i = 1; i <= N; i++)
		disk_index_insert(index, key_of(i), i, 100000);
	assert_int_equal(disk_index_count(index), N);
	for (uint64_t i = 1; i <= N; i++) {
		assert_int_equal(disk_index_find(index, key_of(i), &id, 1), 1);
		assert_int_equal(id, i);
	}
	for (uint64_t i = N + 1; i <= 2 * N; i++)
		assert_false(disk_index_has(index, key_of(i)));
	disk_index_destroy(index);
}

/* Whatever their number; and never much of it at once. */
static void takes_no_more_than_26_bytes_an_object(void **state)
{
	enum { N = 300000, STEP = 200, SMALL = 30000 };
	struct disk_index *index = disk_index_create();
	uint64_t before = 0, bytes;

	(void)state;
	for (uint64_t i = 1; i <= N; i++) {
		disk_index_insert(index, key_of(i), i, 100000);
		if (i % STEP != 0 || i < SMALL)
			continue;
		bytes = disk_index_bytes(index);
		assert_true(bytes < i * 26);
		assert_true(before == 0 || bytes - before < before / 20);
		before = bytes;
	}
	disk_index_destroy(index);
}

static void removing_leaves_no_gap_in_front_of_others(void **state)
{
	enum { N = 20000 };
	struct disk_index *index = disk_index_create();
	static bool is_there[N + 1];

	(void)state;
	srand(1);
	for (uint64_t i = 1; i <= N; i++) {
		disk_index_insert(index, key_of(i), i, 100000);
		is_there[i] = true;
		if (rand() % 3 == 0) {
			uint64_t victim = 1 + (uint64_t)rand() % i;

			assert_int_equal(disk_index_remove(index, key_of(victim), victim),
					 is_there[victim]);
			is_there[victim] = false;
		}
	}
	for (uint64_t i = 1; i <= N; i++)
		assert_int_equal(disk_index_has(index, key_of(i)), is_there[i]);
	disk_index_destroy(index);
}

static void variants_of_a_key_come_newest_first(void **state)
{
	struct disk_index *index = disk_index_create();
	uint64_t ids[3];

	(void)state;
	for (uint64_t id = 1; id <= 5; id++)
		disk_index_insert(index, 42, (id * 3) % 7, 100000);
	assert_int_equal(disk_index_find(index, 42, ids, 3), 3);
	assert_true(ids[0] == 6 && ids[1] == 5 && ids[2] == 3);
	assert_int_equal(disk_index_remove_key(index, 42), 5);
	assert_false(disk_index_has(index, 42));
	disk_index_destroy(index);
}

static unsigned count_spared(struct disk_index *index, uint64_t key, uint64_t id)
{
	unsigned n = 0;

	while (disk_index_judge(index, key, id) == DISK_INDEX_SPARED)
		n++;
	return n;
}

/* The smaller an object, the longer it stays, and the more a hit counts. */
static void an_object_is_spared_for_its_hits_and_for_being_small(void **state)
{
	static const struct {
		uint64_t bytes;
		unsigned fresh, after_a_hit, after_many;
	} cases[] = {
		{1000, 2, 2, 6},
		{65536, 1, 1, 3},
		{65537, 0, 1, 1},
		{UINT64_MAX, 0, 1, 1},
	};
	struct disk_index *index = disk_index_create();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t id = i + 1;

		assert_int_equal(disk_index_judge(index, id, id), DISK_INDEX_UNKNOWN);
		disk_index_insert(index, id, id, cases[i].bytes);
		assert_int_equal(count_spared(index, id, id), cases[i].fresh);
		assert_int_equal(disk_index_hit(index, id, id, 1), 0);
		assert_int_equal(count_spared(index, id, id), cases[i].after_a_hit);
		assert_int_equal(disk_index_hit(index, id, id, 5000000), 1);
		assert_int_equal(count_spared(index, id, id), cases[i].after_many);
	}
	disk_index_destroy(index);
}

static void hits_are_taken_once(void **state)
{
	struct disk_index *index = disk_index_create();
	struct disk_index_hits hits[4];
	unsigned cursor = 0;

	(void)state;
	disk_index_insert(index, 1, 10, 100000);
	disk_index_insert(index, 2, 11, 100000);
	disk_index_hit(index, 1, 10, 5000000);
	disk_index_hit(index, 2, 11, 3);
	assert_int_equal(disk_index_take_hits(index, &cursor, hits, 4), 2);
	assert_int_equal(hits[0].nhits + hits[1].nhits, 3 + 131071); /* it saturates */
	cursor = 0;
	assert_int_equal(disk_index_take_hits(index, &cursor, hits, 4), 0);
	disk_index_destroy(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_inserted_and_nothing_else),
		cmocka_unit_test(takes_no_more_than_26_bytes_an_object),
		cmocka_unit_test(removing_leaves_no_gap_in_front_of_others),
		cmocka_unit_test(variants_of_a_key_come_newest_first),
		cmocka_unit_test(an_object_is_spared_for_its_hits_and_for_being_small),
		cmocka_unit_test(hits_are_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

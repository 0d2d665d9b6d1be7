/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/limits/memory_room.h"
#include "tests/support/scratch.h"

static void what_is_in_use_is_measured(void **state)
{
	static const struct {
		const char *max, *high, *current, *stat;
		uint64_t limit, used;
	} cases[] = {
		{"max\n", "max\n", "5000\n", "active_file 1\n", UINT64_MAX, 0},
		{"8000\n", "max\n", "5000\n", "anon 5000\n", 8000, 5000},
		{"8000\n", "6000\n", "5000\n", "", 6000, 5000},
		{"8000\n", "max\n", "5000\n",
	         "file 900\ninactive_file 500\nactive_file 300\nslab_reclaimable 200\n", 8000, 4000},
		{"8000\n", "max\n", "5000\n", "inactive_file 9999\n", 8000, 0},
		{"nonsense\n", "", "5000\n", "", UINT64_MAX, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scratch scratch;
		struct memory_use use;

		scratch_init(&scratch);
		scratch_write(&scratch, "memory.max", cases[i].max);
		scratch_write(&scratch, "memory.high", cases[i].high);
		scratch_write(&scratch, "memory.current", cases[i].current);
		scratch_write(&scratch, "memory.stat", cases[i].stat);
		use = memory_room_measure(scratch.directory);
		assert_int_equal(use.limit, cases[i].limit);
		assert_int_equal(use.used, cases[i].used);
		scratch_fini(&scratch);
	}
}

static void without_a_group_there_is_no_limit(void **state)
{
	(void)state;
	assert_int_equal(memory_room_measure("/no/such/folder").limit, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_use_is_measured),
		cmocka_unit_test(without_a_group_there_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

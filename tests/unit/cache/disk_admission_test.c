/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"

enum { KIB = 1024, MIB = 1 << 20 };

static uint64_t key_of(uint64_t n)
{
	return hash_str((struct str){(const char *)&n, sizeof(n)}, 7);
}

static void note(struct disk_admission *admission, uint64_t n, unsigned times)
{
	while (times-- > 0)
		disk_admission_note(admission, key_of(n));
}

static void requests_are_counted_up_to_a_bound(void **state)
{
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);

	(void)state;
	assert_int_equal(disk_admission_estimate(admission, key_of(1)), 0);
	note(admission, 1, 3);
	note(admission, 2, 100);
	assert_int_equal(disk_admission_estimate(admission, key_of(1)), 3);
	assert_int_equal(disk_admission_estimate(admission, key_of(2)), 15);
	disk_admission_destroy(admission);
}

static void estimates_are_seldom_too_high_and_never_too_low(void **state)
{
	enum { N = 2000 };
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);
	unsigned ntoo_high = 0;

	(void)state;
	for (uint64_t n = 0; n < N; n++)
		note(admission, n, 1);
	for (uint64_t n = 0; n < N; n++) {
		assert_true(disk_admission_estimate(admission, key_of(n)) >= 1);
		ntoo_high += disk_admission_estimate(admission, key_of(n)) > 1;
	}
	assert_true(ntoo_high < N / 20);
	disk_admission_destroy(admission);
}

static void what_is_asked_for_less_than_the_evicted_is_not_let_in(void **state)
{
	static const struct {
		const char *what;
		unsigned ntimes;
		uint64_t bytes;
		bool is_allowed;
	} cases[] = {
		{"as often, as large", 4, 64 * KIB, false},
		{"hardly more often", 8, 64 * KIB, false},
		{"three times as often", 12, 64 * KIB, true},
		{"less often", 2, 64 * KIB, false},
		{"less often, but small", 1, 5 * KIB, true},
		{"as often, but large", 4, 256 * KIB, false},
		{"much more often, but large", 12, 256 * KIB, false},
	};
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);

	(void)state;
	note(admission, 1000, 4);
	assert_true(disk_admission_allows(admission, key_of(999), MIB)); /* nothing had to go yet */
	for (int i = 0; i < 300; i++)
		disk_admission_evicted(admission, key_of(1000), 64 * KIB);
	for (size_t i = 0; i < COUNT(cases); i++) {
		note(admission, i, cases[i].ntimes);
		if (disk_admission_allows(admission, key_of(i), cases[i].bytes) !=
		    cases[i].is_allowed)
			fail_msg("%s", cases[i].what);
	}
	disk_admission_destroy(admission);
}

/* Nothing is lost, nor won. */
static void where_all_are_asked_for_once_one_may_replace_another(void **state)
{
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);

	(void)state;
	note(admission, 1, 1);
	note(admission, 2, 1);
	for (int i = 0; i < 300; i++)
		disk_admission_evicted(admission, key_of(1), 64 * KIB);
	assert_true(disk_admission_allows(admission, key_of(2), 64 * KIB));
	assert_false(disk_admission_allows(admission, key_of(2), 80 * KIB));
	disk_admission_destroy(admission);
}

/* What was dear once may not lock everybody out for ever. */
static void the_price_falls_while_nothing_is_let_in(void **state)
{
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);
	unsigned nrefused = 0;

	(void)state;
	note(admission, 1, 15);
	note(admission, 2, 1);
	for (int i = 0; i < 300; i++)
		disk_admission_evicted(admission, key_of(1), KIB);
	while (!disk_admission_allows(admission, key_of(2), 64 * KIB))
		assert_true(++nrefused < 100000);
	assert_true(nrefused > 1000);
	disk_admission_destroy(admission);
}

static void old_fame_fades(void **state)
{
	struct disk_admission *admission = disk_admission_create(64 * MIB, EVICTION_OWN);

	(void)state;
	note(admission, 1, 8);
	disk_admission_age(admission);
	assert_int_equal(disk_admission_estimate(admission, key_of(1)), 8);
	note(admission, 2, 8 * 4096);
	disk_admission_age(admission);
	assert_int_equal(disk_admission_estimate(admission, key_of(1)), 4);
	disk_admission_age(admission);
	assert_int_equal(disk_admission_estimate(admission, key_of(1)), 4);
	disk_admission_destroy(admission);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_counted_up_to_a_bound),
		cmocka_unit_test(estimates_are_seldom_too_high_and_never_too_low),
		cmocka_unit_test(what_is_asked_for_less_than_the_evicted_is_not_let_in),
		cmocka_unit_test(where_all_are_asked_for_once_one_may_replace_another),
		cmocka_unit_test(the_price_falls_while_nothing_is_let_in),
		cmocka_unit_test(old_fame_fades),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

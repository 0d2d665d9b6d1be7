/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/histogram.h"

static void each_value_falls_into_the_bin_that_begins_before_it(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < UINT64_C(1) << 33; value += value / 7 + 1) {
		unsigned bin = histogram_bin(value);

		if (bin >= HISTOGRAM_BINS || histogram_least(bin) > value ||
		    (bin + 1 < HISTOGRAM_BINS && histogram_least(bin + 1) <= value))
			fail_msg("%llu: bin %u", (unsigned long long)value, bin);
	}
	assert_int_equal(histogram_bin(UINT64_MAX), HISTOGRAM_BINS - 1);
}

static void quantiles_are_within_an_eighth(void **state)
{
	static const double shares[] = {0.05, 0.5, 0.95};
	struct histogram histogram = {0};

	(void)state;
	for (unsigned value = 1; value <= 100000; value++)
		histogram.counts[histogram_bin(value)]++;
	for (unsigned i = 0; i < 3; i++) {
		double right = shares[i] * 100000;
		double told = histogram_quantile(&histogram, shares[i]);

		if (told < right * 0.875 || told > right * 1.125)
			fail_msg("%f: %f", right, told);
	}
}

static void an_empty_one_tells_nothing(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	assert_true(histogram_quantile(&histogram, 0.5) == 0);
	histogram.counts[0] = 5;
	assert_true(histogram_quantile(&histogram, 0.5) == 0);
}

static void a_difference_is_what_came_between(void **state)
{
	struct histogram then = {.counts[9] = UINT32_MAX}, now = {.counts[9] = UINT32_MAX + UINT64_C(5)};

	(void)state;
	histogram_subtract(&now, &then);
	assert_int_equal(now.counts[9], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_falls_into_the_bin_that_begins_before_it),
		cmocka_unit_test(quantiles_are_within_an_eighth),
		cmocka_unit_test(an_empty_one_tells_nothing),
		cmocka_unit_test(a_difference_is_what_came_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

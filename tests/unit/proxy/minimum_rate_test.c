/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/minimum_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "squid-compat/config.h"

enum { START_MS = 5000 };

static const struct config config = {.client_minimum_rate_bytes = 100,
				     .client_minimum_rate_time_ms = 10000};
static const struct config off = {.client_minimum_rate_time_ms = 10000};

/* One period: waits from START_MS on, and has moved so many bytes after that time. */
static void asks_for_the_rate_when_a_period_is_over(void **state)
{
	static const struct {
		const char *what;
		const struct config *config;
		int64_t waited_ms;
		uint64_t moved;
		unsigned share;
		bool is_missed;
	} cases[] = {
		{"nothing, but the period is not over", &config, 9999, 0, 1, false},
		{"nothing", &config, 10000, 0, 1, true},
		{"a byte too few", &config, 10000, 999, 1, true},
		{"just enough", &config, 10000, 1000, 1, false},
		{"enough for the period, not for its length", &config, 20000, 1000, 1, true},
		{"a tenth of the rate for one of ten", &config, 10000, 100, 10, false},
		{"less than that", &config, 10000, 99, 10, true},
		{"without the directive", &off, 3600000, 0, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct minimum_rate rate = {0};

		minimum_rate_wait(&rate, START_MS);
		if (minimum_rate_is_missed(&rate, cases[i].config, cases[i].moved, cases[i].share,
					   START_MS + cases[i].waited_ms) != cases[i].is_missed)
			fail_msg("%s", cases[i].what);
	}
}

static void counts_only_the_time_of_waiting(void **state)
{
	struct minimum_rate rate = {0};

	(void)state;
	for (int64_t hour = 0; hour < 4; hour++) { /* 2 s in each: 8 s in all */
		minimum_rate_wait(&rate, hour * 3600000 + START_MS);
		minimum_rate_wait(&rate, hour * 3600000 + START_MS + 1000);
		minimum_rate_rest(&rate, hour * 3600000 + START_MS + 2000);
		minimum_rate_rest(&rate, hour * 3600000 + START_MS + 3000);
	}
	assert_false(minimum_rate_is_missed(&rate, &config, 0, 1, 90000000));
	minimum_rate_wait(&rate, 90000000);
	assert_int_equal(minimum_rate_look_ms(&rate, &config, 90000000, 60000), 2000);
	assert_false(minimum_rate_is_missed(&rate, &config, 0, 1, 90001999));
	assert_true(minimum_rate_is_missed(&rate, &config, 0, 1, 90002000));
}

static void begins_each_period_anew(void **state)
{
	struct minimum_rate rate = {0};

	(void)state;
	minimum_rate_wait(&rate, START_MS);
	assert_false(minimum_rate_is_missed(&rate, &config, 50000, 1, START_MS + 10000));
	assert_false(minimum_rate_is_missed(&rate, &config, 50000, 1, START_MS + 19999));
	assert_true(minimum_rate_is_missed(&rate, &config, 50999, 1, START_MS + 20000));
	/* What seems to have gone back (framing of TLS) is no bytes. */
	assert_true(minimum_rate_is_missed(&rate, &config, 49000, 1, START_MS + 20000));
}

static void looks_no_later_than_asked(void **state)
{
	struct minimum_rate rate = {0};

	(void)state;
	assert_int_equal(minimum_rate_look_ms(&rate, &config, START_MS, 3000), 3000);
	assert_int_equal(minimum_rate_look_ms(&rate, &config, START_MS, 60000), 10000);
	assert_int_equal(minimum_rate_look_ms(&rate, &off, START_MS, 60000), 60000);
	minimum_rate_wait(&rate, START_MS);
	assert_int_equal(minimum_rate_look_ms(&rate, &config, START_MS + 11000, 60000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_the_rate_when_a_period_is_over),
		cmocka_unit_test(counts_only_the_time_of_waiting),
		cmocka_unit_test(begins_each_period_anew),
		cmocka_unit_test(looks_no_later_than_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

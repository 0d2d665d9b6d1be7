/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "proxy/tls/ocsp_fetcher.h"

static void asks_again_when_half_of_an_answers_time_has_gone(void **state)
{
	static const struct {
		const char *what;
		int64_t from_s, until_s, now_s, fresh_s;
	} cases[] = {
		{"new", 1000, 8000, 1000, 3500},
		{"some of it gone", 1000, 8000, 2000, 2500},
		{"past its half", 1000, 8000, 7000, 60},
		{"nearly over", 1000, 8000, 7998, 1},
		{"a short one", 1000, 1020, 1000, 10},
		{"of the future, by a clock that is ahead", 1200, 8200, 1000, 3500},
		{"by a clock that was not set yet", 1700000000, 1700604800, 60, 302400},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t got = ocsp_fetcher_fresh_s(cases[i].from_s, cases[i].until_s, cases[i].now_s);

		if (got != cases[i].fresh_s)
			fail_msg("%s: %lld", cases[i].what, (long long)got);
	}
}

static void waits_longer_behind_each_failure(void **state)
{
	(void)state;
	assert_int_equal(ocsp_fetcher_retry_s(1), 30);
	assert_int_equal(ocsp_fetcher_retry_s(2), 60);
	assert_int_equal(ocsp_fetcher_retry_s(5), 480);
	assert_int_equal(ocsp_fetcher_retry_s(9), 3600);
	assert_int_equal(ocsp_fetcher_retry_s(4000000000u), 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_again_when_half_of_an_answers_time_has_gone),
		cmocka_unit_test(waits_longer_behind_each_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

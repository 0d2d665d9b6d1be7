/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/http/date.h"

static const int64_t now_s = 1700000000; /* 14 November 2023 */

/* RFC 9110 §5.6.7. */
static void the_three_forms_are_read_by_the_letter(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t time_s;
	} cases[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", true, 784111777},
		{"Sun Nov  6 08:49:37 1994", true, 784111777},
		{"Wed Nov 16 08:49:37 1994", true, 784975777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", true, 0},
		{"Wed, 31 Dec 1969 23:59:59 GMT", true, -1},
		{"Tue, 29 Feb 2000 00:00:00 GMT", true, 951782400},
		{"Thu, 29 Feb 2024 23:59:59 GMT", true, 1709251199},
		{"Sat, 31 Dec 2016 23:59:60 GMT", true, 1483228799},
		{"Fri, 31 Dec 9999 23:59:59 GMT", true, 253402300799},
		{"Fri, 31 Dec 9999 23:59:60 GMT", true, 253402300799},
		{"Mon, 06 Nov 1994 08:49:37 GMT", true, 784111777},
		{"", false, 0},
		{"0", false, 0},
		{"-1", false, 0},
		{"Sun, 06 Nov 1994 08:49:37", false, 0},
		{"Sun, 06 Nov 1994 08:49:37 UTC", false, 0},
		{"Sun, 06 Nov 1994 08:49:37 +0000", false, 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", false, 0},
		{" Sun, 06 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 6 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 06 Nov 94 08:49:37 GMT", false, 0},
		{"sun, 06 nov 1994 08:49:37 gmt", false, 0},
		{"Sunday, 06 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 06-Nov-94 08:49:37 GMT", false, 0},
		{"Day, 06 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 00 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 31 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 29 Feb 1900 08:49:37 GMT", false, 0},
		{"Sun, 06 Foo 1994 08:49:37 GMT", false, 0},
		{"Sun, 06 Nov 1994 24:00:00 GMT", false, 0},
		{"Sun, 06 Nov 1994 08:60:37 GMT", false, 0},
		{"Sun, 06 Nov 1994 08:49:61 GMT", false, 0},
		{"Sun, 06 Nov 1994 8:49:37 GMT", false, 0},
		{"Sun Nov 06 08:49:37 94", false, 0},
		{"Sun Nov 6 08:49:37 1994", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t time_s = 0;

		if (date_parse(str_of(cases[i].text), now_s, &time_s) != cases[i].ok ||
		    time_s != cases[i].time_s)
			fail_msg("'%s' gives %lld", cases[i].text, (long long)time_s);
	}
}

/* RFC 9110 §5.6.7: what seems over 50 years ahead is of the past. */
static void two_digits_of_a_year_mean_the_nearest_fit(void **state)
{
	static const struct {
		const char *text;
		int64_t year;
	} cases[] = {
		{"Monday, 01-Jan-24 00:00:00 GMT", 2024},
		{"Monday, 01-Jan-23 00:00:00 GMT", 2023},
		{"Monday, 01-Jan-73 00:00:00 GMT", 2073},
		{"Monday, 14-Nov-73 22:13:20 GMT", 2073}, /* 50 years to the second */
		{"Monday, 14-Nov-73 22:13:21 GMT", 1973},
		{"Monday, 01-Jan-74 00:00:00 GMT", 1974},
		{"Monday, 01-Jan-99 00:00:00 GMT", 1999},
		{"Monday, 01-Jan-00 00:00:00 GMT", 2000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t time_s = 0;

		assert_true(date_parse(str_of(cases[i].text), now_s, &time_s));
		if (date_civil_of(time_s).year != cases[i].year)
			fail_msg("%s", cases[i].text);
	}
}

/* Against the C library, over some 1300 years. */
static void dates_are_written_as_strftime_would(void **state)
{
	(void)state;
	for (int64_t time_s = INT64_C(-20000000000); time_s < INT64_C(20000000000);
	     time_s += 39916801) {
		time_t t = (time_t)time_s;
		char expected[64], out[DATE_SIZE];
		int64_t back = 0;
		struct tm tm;

		if (t != time_s)
			continue; /* a 32-bit time_t */
		gmtime_r(&t, &tm);
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		date_format(time_s, out);
		assert_string_equal(out, expected);
		assert_true(date_parse(str_of(out), now_s, &back));
		assert_true(back == time_s);
	}
}

static void times_beyond_four_digit_years_are_clamped(void **state)
{
	char out[DATE_SIZE];

	(void)state;
	date_format(INT64_MAX, out);
	assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
	date_format(INT64_MIN, out);
	assert_string_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_forms_are_read_by_the_letter),
		cmocka_unit_test(two_digits_of_a_year_mean_the_nearest_fit),
		cmocka_unit_test(dates_are_written_as_strftime_would),
		cmocka_unit_test(times_beyond_four_digit_years_are_clamped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

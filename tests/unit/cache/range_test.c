/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "cache/range.h"
#include "lib/base/check.h"

/* RFC 9110 §14.1.2, §14.2, of a body of 100 bytes unless it says otherwise. */
static void each_value_has_its_plan(void **state)
{
	static const struct {
		const char *value;
		uint64_t body_bytes;
		const char *plan; /* "whole", "none" or FIRST+LEN ... */
	} cases[] = {
		{"bytes=0-9", 100, "0+10"},
		{"BYTES = 0-9", 100, "0+10"},
		{"bytes=90-", 100, "90+10"},
		{"bytes=99-99", 100, "99+1"},
		{"bytes=90-1000", 100, "90+10"},
		{"bytes=90-99999999999999999999999", 100, "90+10"},
		{"bytes=-10", 100, "90+10"},
		{"bytes=-1000", 100, "0+100"},
		{"bytes=-99999999999999999999999", 100, "0+100"},
		{"bytes=0-0,50-59 ,\t-1", 100, "0+1 50+10 99+1"},
		{"bytes=0-0,,50-59,", 100, "0+1 50+10"},
		{"bytes=0-9,200-300", 100, "0+10"},
		{"bytes=100-", 100, "none"},
		{"bytes=99999999999999999999999-", 100, "none"},
		{"bytes=-0", 100, "none"},
		{"bytes=0-", 0, "none"},
		{"bytes=-5", 0, "none"},
		{"bytes=18446744073709551614-", UINT64_MAX, "18446744073709551614+1"},
		/* ignored */
		{"bytes=5-6,0-1", 100, "whole"},
		{"bytes=0-9,9-10", 100, "whole"},
		{"bytes=0-,0-,0-,0-", 100, "whole"},
		{"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,"
		 "32-32", 100, "whole"},
		{"bytes=9-0", 100, "whole"},
		{"bytes=-", 100, "whole"},
		{"bytes=", 100, "whole"},
		{"bytes=,", 100, "whole"},
		{"bytes", 100, "whole"},
		{"", 100, "whole"},
		{"bytes=1", 100, "whole"},
		{"bytes=a-b", 100, "whole"},
		{"bytes=0 - 9", 100, "whole"},
		{"bytes=+1-2", 100, "whole"},
		{"bytes=--1", 100, "whole"},
		{"bytes=1-2-3", 100, "whole"},
		{"lines=0-9", 100, "whole"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct range_plan plan;
		char text[1000] = "";
		size_t n = 0;

		range_plan(str_of(cases[i].value), cases[i].body_bytes, &plan);
		for (unsigned k = 0; k < plan.npieces; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRIu64 "+%" PRIu64,
					      k ? " " : "", plan.pieces[k].first, plan.pieces[k].len);
		if (plan.verdict != RANGE_PARTIAL)
			snprintf(text, sizeof(text), "%s",
				 plan.verdict == RANGE_WHOLE ? "whole" : "none");
		if (!str_eq(str_of(text), str_of(cases[i].plan)))
			fail_msg("%s: %s", cases[i].value, text);
	}
}

static void without_the_field_all_is_sent(void **state)
{
	struct range_plan plan;

	(void)state;
	range_plan(STR_NONE, 100, &plan);
	assert_int_equal(plan.verdict, RANGE_WHOLE);
}

/* RFC 9110 §14.4 */
static void content_range_is_read_or_refused(void **state)
{
	static const struct {
		const char *value;
		bool is_good;
		struct content_range range;
	} cases[] = {
		{"bytes 0-4/10", true, {0, 4, 10}},
		{"BYTES 9-9/10", true, {9, 9, 10}},
		{" bytes\t 0-0/1 ", true, {0, 0, 1}},
		{"bytes 0-18446744073709551613/18446744073709551615", true,
		 {0, UINT64_MAX - 2, UINT64_MAX}},
		{"bytes 0-4/*", false, {0}},
		{"bytes */10", false, {0}},
		{"bytes 5-4/10", false, {0}},
		{"bytes 0-10/10", false, {0}},
		{"bytes 0-0/0", false, {0}},
		{"bytes 0-4/18446744073709551616", false, {0}},
		{"bytes 99999999999999999999-4/10", false, {0}},
		{"bytes -4/10", false, {0}},
		{"bytes 0-/10", false, {0}},
		{"bytes 0-4", false, {0}},
		{"bytes 0-4/", false, {0}},
		{"bytes 0 - 4/10", false, {0}},
		{"bytes 0-4/10/11", false, {0}},
		{"bytes 0/4-10", false, {0}},
		{"bytes=0-4/10", false, {0}},
		{"bytes 0-4/10, bytes 5-6/10", false, {0}},
		{"lines 0-4/10", false, {0}},
		{"bytes", false, {0}},
		{"", false, {0}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct content_range range = {0};

		if (content_range_read(str_of(cases[i].value), &range) != cases[i].is_good ||
		    range.first != cases[i].range.first || range.last != cases[i].range.last ||
		    range.length != cases[i].range.length)
			fail_msg("%s", cases[i].value);
	}
	assert_false(content_range_read(STR_NONE, &(struct content_range){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_has_its_plan),
		cmocka_unit_test(without_the_field_all_is_sent),
		cmocka_unit_test(content_range_is_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

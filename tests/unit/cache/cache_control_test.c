/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/cache_control.h"
#include "tests/support/messages.h"

/* RFC 9111 §1.2.2, §4.2.1, §5.2 */
static void directives_are_read_or_taken_strictly(void **state)
{
	static const struct {
		const char *value;
		uint32_t flags;
		int64_t max_age_s;
	} cases[] = {
		{"max-age=60", CC_MAX_AGE, 60},
		{"MAX-AGE=60", CC_MAX_AGE, 60},
		{"No-CaChE", CC_NO_CACHE, 0},
		{"max-age=\"60\"", CC_MAX_AGE, 60},
		{"max-age=0060", CC_MAX_AGE, 60},
		{"max-age=2147483648", CC_MAX_AGE, DELTA_SECONDS_MAX},
		{"max-age=99999999999", CC_MAX_AGE, DELTA_SECONDS_MAX},
		{"max-age=99999999999999999999999", CC_MAX_AGE, DELTA_SECONDS_MAX},
		{"max-age", CC_MAX_AGE, 0},
		{"max-age=", CC_MAX_AGE, 0},
		{"max-age=-1", CC_MAX_AGE, 0},
		{"max-age=60s", CC_MAX_AGE, 0},
		{"max-age=6.0", CC_MAX_AGE, 0},
		{"max-age='60'", CC_MAX_AGE, 0},
		{"max-age=60, max-age=60", CC_MAX_AGE, 60},
		{"max-age=60, max-age=70", CC_MAX_AGE, 0},
		{",, ,max-age=60 ,\t,public,", CC_MAX_AGE | CC_PUBLIC, 60},
		{"max-age=60,foo=\"bar, no-store, baz\"", CC_MAX_AGE, 60},
		{"foo=\"bar\\\", no-store\", max-age=5", CC_MAX_AGE, 5},
		{"foo=\"never ends, max-age=5, no-store", CC_MAX_AGE | CC_NO_STORE, 5},
		{"no-cache=\"never ends, private", CC_NO_CACHE | CC_PRIVATE, 0},
		{"no-cache=\"set-cookie, x\"", CC_NO_CACHE_FIELDS, 0},
		{"private=\"x\", private", CC_PRIVATE_FIELDS | CC_PRIVATE, 0},
		{"xmax-age=60, max-agex=60, -, =, ==", 0, 0},
		{"must-revalidate, proxy-revalidate, immutable",
		 CC_MUST_REVALIDATE | CC_PROXY_REVALIDATE | CC_IMMUTABLE, 0},
		{"", 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cache_control control = {0};

		cache_control_add(&control, str_of(cases[i].value));
		if (control.flags != (cases[i].flags | CC_PRESENT) ||
		    control.max_age_s != cases[i].max_age_s)
			fail_msg("%s: %x %lld", cases[i].value, control.flags,
				 (long long)control.max_age_s);
	}
}

/* RFC 9111 §5.2.1.2, §5.2.1.3 */
static void requests_may_ask_for_more_or_less(void **state)
{
	struct cache_control control = {0};

	(void)state;
	cache_control_add(&control, STR("max-stale, min-fresh=5, min-fresh=9"));
	assert_int_equal(control.max_stale_s, DELTA_SECONDS_MAX);
	assert_int_equal(control.min_fresh_s, 9);
	cache_control_add(&control, STR("max-stale=10"));
	assert_int_equal(control.max_stale_s, 0);
}

static void several_fields_are_one_list_and_pragma_is_the_last_resort(void **state)
{
	static const struct {
		const char *lines;
		uint32_t flags;
	} cases[] = {
		{"Cache-Control: public\r\nCache-Control: no-store\r\n",
		 CC_PUBLIC | CC_NO_STORE | CC_PRESENT},
		{"Pragma: no-cache\r\n", CC_NO_CACHE},
		{"Pragma: x, No-Cache\r\n", CC_NO_CACHE},
		{"Pragma: no-cache\r\nCache-Control: public\r\n", CC_PUBLIC | CC_PRESENT},
		{"", 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_request request;
		struct cache_control control;

		message_request("GET", cases[i].lines, text, sizeof(text), &request);
		cache_control_read(&request.head, &control);
		if (control.flags != cases[i].flags)
			fail_msg("%s: %x", cases[i].lines, control.flags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directives_are_read_or_taken_strictly),
		cmocka_unit_test(requests_may_ask_for_more_or_less),
		cmocka_unit_test(several_fields_are_one_list_and_pragma_is_the_last_resort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/cache_control.h"
#include "cache/targeted_control.h"
#include "lib/base/check.h"
#include "tests/support/heads.h"

enum { ALL = CONTROL_FOR_ALL, CDN = CONTROL_CDN, SURROGATE = CONTROL_SURROGATE };

#define CC "Cache-Control: max-age=7\n"

static const struct control_reader US = {.surrogate_id = {"us", 2}};

/* RFC 9213 §2: the targeted field that is valid decides alone. */
static void the_most_targeted_field_decides(void **state)
{
	static const struct {
		const char *lines;
		int source;
		uint32_t flags;
		int64_t max_age_s, stale_s;
	} cases[] = {
		{CC, ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "CDN-Cache-Control: max-age=60\n", CDN, CC_PRESENT | CC_MAX_AGE, 60, 0},
		{CC "CDN-Cache-Control: no-store\n", CDN, CC_PRESENT | CC_NO_STORE, 0, 0},
		{CC "CDN-Cache-Control: max-age=60\nCDN-Cache-Control: private=\"x\"\n", CDN,
	         CC_PRESENT | CC_MAX_AGE | CC_PRIVATE_FIELDS, 60, 0},
		{CC "CDN-Cache-Control: foo, max-age=99999999999;x=y\n", CDN,
	         CC_PRESENT | CC_MAX_AGE, DELTA_SECONDS_MAX, 0},
		{CC "CDN-Cache-Control: max-age=1, max-age=2\n", CDN, CC_PRESENT | CC_MAX_AGE, 2,
	         0},
		{CC "CDN-Cache-Control: max-age=-1\n", CDN, CC_PRESENT | CC_MAX_AGE, 0, 0},
		{CC "CDN-Cache-Control: no-store=?0, max-age=5\n", CDN, CC_PRESENT | CC_MAX_AGE, 5,
	         0},
		/* these do not count */
		{CC "CDN-Cache-Control: \n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "CDN-Cache-Control: max-age=60, &&&\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "CDN-Cache-Control: max-age=\"60\"\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "CDN-Cache-Control: max-age = 60\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "CDN-Cache-Control: Max-Age=60\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		/* Surrogate-Control */
		{CC "Surrogate-Control: max-age=60\n", SURROGATE, CC_PRESENT | CC_MAX_AGE, 60, 0},
		{CC "CDN-Cache-Control: no-store\nSurrogate-Control: max-age=60\n", SURROGATE,
	         CC_PRESENT | CC_MAX_AGE, 60, 0},
		{CC "Surrogate-Control: max-age=60+30\n", SURROGATE,
	         CC_PRESENT | CC_MAX_AGE | CC_STALE_WHILE_REVALIDATE | CC_STALE_IF_ERROR, 60, 30},
		{CC "Surrogate-Control: max-age=5, max-age=60;us\n", SURROGATE,
	         CC_PRESENT | CC_MAX_AGE, 60, 0},
		{CC "Surrogate-Control: no-store, max-age=60;us\n", SURROGATE,
	         CC_PRESENT | CC_NO_STORE | CC_MAX_AGE, 60, 0},
		{CC "Surrogate-Control: no-store-remote\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "Surrogate-Control: no-store, max-age=60;them\n", SURROGATE,
	         CC_PRESENT | CC_NO_STORE, 0, 0},
		{CC "Surrogate-Control: max-age=x\n", SURROGATE, CC_PRESENT | CC_MAX_AGE, 0, 0},
		{CC "Surrogate-Control: max-age=60;them\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
		{CC "Surrogate-Control: content=\"ESI/1.0\"\n", ALL, CC_PRESENT | CC_MAX_AGE, 7, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cache_control control;
		struct http_head head;
		int source;

		head_of_lines(&head, cases[i].lines);
		source = (int)targeted_control_read(&head, &US, &control);
		if (source != cases[i].source || control.flags != cases[i].flags ||
		    control.max_age_s != cases[i].max_age_s ||
		    control.stale_while_revalidate_s != cases[i].stale_s)
			fail_msg("%s: source %d, flags %x, max-age %d", cases[i].lines, source,
			         control.flags, (int)control.max_age_s);
	}
}

/* Edge Architecture 1.0: remote ones do not store, others do. */
static void no_store_remote_is_for_remote_surrogates(void **state)
{
	static const struct control_reader remote = {.surrogate_id = {"us", 2},
	                                             .is_remote_surrogate = true};
	struct cache_control control;
	struct http_head head;

	(void)state;
	head_of_lines(&head, CC "Surrogate-Control: no-store-remote, max-age=9\n");
	assert_int_equal(targeted_control_read(&head, &remote, &control), CONTROL_SURROGATE);
	assert_int_equal(control.flags, CC_PRESENT | CC_NO_STORE | CC_MAX_AGE);
	assert_int_equal(targeted_control_read(&head, &US, &control), CONTROL_SURROGATE);
	assert_int_equal(control.flags, CC_PRESENT | CC_MAX_AGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_targeted_field_decides),
		cmocka_unit_test(no_store_remote_is_for_remote_surrogates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

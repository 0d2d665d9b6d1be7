/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/key.h"

static void a_fingerprint_depends_on_text_and_seed(void **state)
{
	uint64_t key = cache_key_fingerprint(STR("http://www.example/"), 1);

	(void)state;
	assert_true(key == cache_key_fingerprint(STR("http://www.example/"), 1));
	assert_true(key != cache_key_fingerprint(STR("http://www.example/"), 2));
	assert_true(key != cache_key_fingerprint(STR("http://www.example/?"), 1));
	assert_true(cache_key_fingerprint(STR_NONE, 1) != 0);
}

/* RFC 9110 §9.3.2: HEAD is GET without the body. */
static void get_and_head_are_served(void **state)
{
	(void)state;
	assert_true(cache_key_is_method_served(HTTP_GET));
	assert_true(cache_key_is_method_served(HTTP_HEAD));
	assert_false(cache_key_is_method_served(HTTP_POST));
	assert_false(cache_key_is_method_served(HTTP_OTHER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fingerprint_depends_on_text_and_seed),
		cmocka_unit_test(get_and_head_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

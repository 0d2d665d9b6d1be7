/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "lib/base/check.h"

#define HEAD "HTTP/1.1 200 OK\r\n"

static void tags_are_the_words_of_two_fields(void **state)
{
	static const struct {
		const char *head, *tags;
	} cases[] = {
		{HEAD "Surrogate-Key: a b  c\r\n", "a b c "},
		{HEAD "cache-tag: a,b , c\r\nX: y\r\n", "a b c "},
		{HEAD "Surrogate-Key: a\r\nCache-Tag: b,,c\r\nSURROGATE-KEY:\td\r\n", "a b c d "},
		{HEAD "Surrogate-Key:\r\nCache-Tag: ,\r\n", ""},
		{HEAD "Surrogate-Keys: a\r\nX-Cache-Tag: b\r\n", ""},
		{HEAD, ""},
		{"", ""},
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_init(&out, TAGS_MAX_BYTES);
		assert_true(tags_read(str_of(cases[i].head), &out));
		if (!str_eq(buf_str(&out), str_of(cases[i].tags)))
			fail_msg("%s: %.*s", cases[i].head, STR_ARG(buf_str(&out)));
		buf_fini(&out);
	}
}

static void a_tag_is_found_as_a_whole_and_by_its_case(void **state)
{
	const struct str head = STR(HEAD "Surrogate-Key: one two\r\nCache-Tag: three\r\n");

	(void)state;
	assert_true(tags_have(head, STR("one")));
	assert_true(tags_have(head, STR("two")));
	assert_true(tags_have(head, STR("three")));
	assert_false(tags_have(head, STR("on")));
	assert_false(tags_have(head, STR("One")));
	assert_false(tags_have(head, STR("")));
}

static void too_many_tags_and_blanks_within_one_are_told(void **state)
{
	struct buf head, out;

	(void)state;
	buf_init(&head, 1 << 20);
	buf_init(&out, TAGS_MAX_BYTES);
	assert_false(tags_read(STR(HEAD "Cache-Tag: a b,c\r\n"), &out));
	buf_clear(&out);
	buf_add_str(&head, STR(HEAD "Surrogate-Key: "));
	for (int i = 0; i < TAGS_MAX_BYTES; i++)
		buf_add_str(&head, STR("x "));
	buf_add_str(&head, STR("\r\n"));
	assert_false(tags_read(buf_str(&head), &out));
	buf_fini(&head);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_the_words_of_two_fields),
		cmocka_unit_test(a_tag_is_found_as_a_whole_and_by_its_case),
		cmocka_unit_test(too_many_tags_and_blanks_within_one_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

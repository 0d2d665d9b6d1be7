/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/purge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "lib/base/check.h"

#define HEAD "HTTP/1.1 200 OK\r\nSurrogate-Key: news\r\n"

static void each_kind_means_what_it_says(void **state)
{
	static const struct {
		enum purge_kind kind;
		const char *text, *url;
		bool matches;
	} cases[] = {
		{PURGE_URL, "http://a/x", "http://a/x", true},
		{PURGE_URL, "http://a/x", "http://a/xy", false},
		{PURGE_PREFIX, "http://a/x", "http://a/xy", true},
		{PURGE_PREFIX, "http://a/x", "http://a/", false},
		{PURGE_HOST, "a.example", "http://a.example/x", true},
		{PURGE_HOST, "A.example", "https://a.Example:8443/x", true},
		{PURGE_HOST, "a.example:8443", "https://a.example:8443/x", true},
		{PURGE_HOST, "a.example:80", "https://a.example:8443/x", false},
		{PURGE_HOST, "example", "http://a.example/x", false},
		{PURGE_HOST, "a.example", "http://b/?http://a.example/", false},
		{PURGE_HOST, "[::1]", "http://[::1]:80/", true},
		{PURGE_HOST, "[::1]", "http://[::1]/", true},
		{PURGE_HOST, "", "http:///x", true},
		{PURGE_TAG, "news", "http://a/", true},
		{PURGE_TAG, "new", "http://a/", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct purge *purge = purge_create(cases[i].kind, str_of(cases[i].text));

		if (purge_matches(purge, str_of(cases[i].url), STR(HEAD)) != cases[i].matches)
			fail_msg("%s against %s", cases[i].text, cases[i].url);
		purge_unref(purge);
	}
}

static void only_purges_since_then_count(void **state)
{
	struct purge_list *list = purge_list_create();
	struct purge *purge = purge_create(PURGE_PREFIX, STR("http://a/"));
	uint64_t before = purge_list_now(list), after;

	(void)state;
	assert_false(purge_list_hits(list, before, STR("http://a/x"), STR(HEAD)));
	purge_list_add(list, purge);
	after = purge_list_now(list);
	assert_true(purge_list_hits(list, before, STR("http://a/x"), STR(HEAD)));
	assert_false(purge_list_hits(list, before, STR("http://b/x"), STR(HEAD)));
	assert_false(purge_list_hits(list, after, STR("http://a/x"), STR(HEAD)));
	purge_unref(purge);
	purge_list_destroy(list);
}

static void a_soft_purge_marks_unless_another_removes(void **state)
{
	struct purge_list *list = purge_list_create();
	struct purge *soft = purge_create(PURGE_PREFIX, STR("http://a/"));
	struct purge *hard = purge_create(PURGE_URL, STR("http://a/x"));
	uint64_t before = purge_list_now(list);

	(void)state;
	soft->is_soft = true;
	purge_list_add(list, hard);
	purge_list_add(list, soft);
	assert_int_equal(purge_list_effect(list, before, STR("http://a/x"), STR(HEAD)), PURGE_REMOVES);
	assert_int_equal(purge_list_effect(list, before, STR("http://a/y"), STR(HEAD)), PURGE_MARKS);
	assert_int_equal(purge_list_effect(list, before, STR("http://b/"), STR(HEAD)), PURGE_MISSES);
	purge_unref(soft);
	purge_unref(hard);
	purge_list_destroy(list);
}

/* What is older than the oldest that is kept could have been meant. */
static void what_is_not_known_any_more_counts(void **state)
{
	enum { MANY = 100 };
	struct purge_list *list = purge_list_create();
	struct purge *purge = purge_create(PURGE_URL, STR("http://a/"));
	uint64_t before = purge_list_now(list);

	(void)state;
	for (int i = 0; i < MANY; i++)
		purge_list_add(list, purge);
	assert_true(purge_list_hits(list, before, STR("http://b/"), STR(HEAD)));
	assert_false(purge_list_hits(list, before + MANY - 10, STR("http://b/"), STR(HEAD)));
	purge_unref(purge);
	purge_list_destroy(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_means_what_it_says),
		cmocka_unit_test(only_purges_since_then_count),
		cmocka_unit_test(a_soft_purge_marks_unless_another_removes),
		cmocka_unit_test(what_is_not_known_any_more_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

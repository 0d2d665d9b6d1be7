/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/net/tls_names.h"

/* Which certificate a host gets; -1: none. RFC 6125 §6.4.3. */
static void exact_names_then_wildcards_of_one_label(void **state)
{
	static const char *const given[] = {"www.example.com", "*.example.com", "Example.ORG",
	                                    "*.sub.example.com", "www.example.com"};
	static const struct {
		const char *host;
		int value;
	} cases[] = {
		{"www.example.com", 0},      {"WWW.Example.Com", 0},    {"www.example.com.", 0},
		{"a.example.com", 1},        {"example.com", -1},       {"a.b.example.com", -1},
		{"x.sub.example.com", 3},    {"sub.example.com", 1},    {"example.org", 2},
		{"www.example.org", -1},     {"", -1},                  {".", -1},
		{".example.com", -1},        {"*.example.com", -1},     {"com", -1},
		{"www.example.com..", -1},   {"www.example.com\n", -1},
	};
	struct tls_names *names = tls_names_create(0);

	(void)state;
	for (unsigned i = 0; i < COUNT(given); i++)
		assert_true(tls_names_add(names, str_of(given[i]), i));
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct tls_name *found = tls_names_find(names, str_of(cases[i].host));

		if ((found ? (int)found->value : -1) != cases[i].value)
			fail_msg("%s: %d", cases[i].host, found ? (int)found->value : -1);
	}
	tls_names_destroy(names);
}

static void a_name_means_itself_or_one_label_for_the_star(void **state)
{
	static const struct {
		const char *name, *host;
		bool means;
	} cases[] = {
		{"a.example", "a.example", true},    {"A.Example", "a.EXAMPLE.", true},
		{"a.example", "b.example", false},   {"*.example.org", "a.example.org", true},
		{"*.example.org", "example.org", false}, {"*.example.org", "a.b.example.org", false},
		{"*.example.org", ".example.org", false}, {"a.*.org", "a.b.org", false},
		{"*", "org", false},                 {"", "", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (tls_name_means(str_of(cases[i].name), str_of(cases[i].host)) != cases[i].means)
			fail_msg("%s, %s", cases[i].name, cases[i].host);
}

static void one_name_has_several_values_in_order(void **state)
{
	struct tls_names *names = tls_names_create(4);
	const struct tls_name *found;

	(void)state;
	tls_names_add(names, STR("a.example"), 7);
	tls_names_add(names, STR("b.example"), 8);
	tls_names_add(names, STR("A.example"), 9);
	found = tls_names_find(names, STR("a.example"));
	assert_int_equal(found->value, 7);
	found = tls_names_next(found);
	assert_int_equal(found->value, 9);
	assert_null(tls_names_next(found));
	tls_names_destroy(names);
}

static void names_that_no_host_has_are_left_out(void **state)
{
	static const char *const bad[] = {"", ".", "*", "*.", "a.*.example", "w*.example", "**.x",
	                                  "a b", "a\tb", "*.*.x"};
	struct tls_names *names = tls_names_create(4);
	char longest[300];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (tls_names_add(names, str_of(bad[i]), 1))
			fail_msg("'%s' was taken", bad[i]);
	memset(longest, 'a', sizeof(longest));
	assert_false(tls_names_add(names, (struct str){longest, sizeof(longest)}, 1));
	assert_null(tls_names_find(names, (struct str){longest, sizeof(longest)}));
	tls_names_destroy(names);
}

static void many_names_are_found(void **state)
{
	struct tls_names *names = tls_names_create(2000);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "%shost%u.example", i % 2 ? "*." : "", i);
		assert_true(tls_names_add(names, str_of(name), i));
	}
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "%shost%u.example", i % 2 ? "any." : "", i);
		assert_int_equal(tls_names_find(names, str_of(name))->value, i);
	}
	tls_names_destroy(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_names_then_wildcards_of_one_label),
		cmocka_unit_test(a_name_means_itself_or_one_label_for_the_star),
		cmocka_unit_test(one_name_has_several_values_in_order),
		cmocka_unit_test(names_that_no_host_has_are_left_out),
		cmocka_unit_test(many_names_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

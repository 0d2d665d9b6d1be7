/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/manager/sites.h"

static struct str name_of(char *out, size_t size, unsigned i)
{
	snprintf(out, size, "host%u.test", i);
	return str_of(out);
}

static void test_bound(void **state)
{
	struct site_names names;
	struct sites sites;
	char text[32];

	(void)state;
	site_names_init(&names);
	sites_init(&sites, &names, 7);
	for (unsigned i = 0; i < 10 * SITES_MAX; i++)
		sites_get(&sites, name_of(text, sizeof(text), i % (2 * SITES_MAX)), true)->requests++;
	for (unsigned i = 0; i < SITES_MAX; i++) {
		assert_int_equal(site_names_find(&names, name_of(text, sizeof(text), i), false), i);
		assert_int_equal(sites.counts[i]->requests, 5);
		assert_true(str_eq(site_names_text(&names, i), str_of(text)));
	}
	assert_int_equal(sites.counts[SITE_OTHER]->requests, 5 * SITES_MAX);
	sites_fini(&sites);
	site_names_fini(&names);
}

static void test_who_gets_a_name(void **state)
{
	struct site_names names;
	struct sites sites;
	char longest[SITE_NAME_BYTES + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	site_names_init(&names);
	sites_init(&sites, &names, 1);
	sites_get(&sites, STR("bad.test"), false)->requests++;
	sites_get(&sites, STR(""), true)->requests++;
	sites_get(&sites, (struct str){longest, SITE_NAME_BYTES + 1}, true)->requests++;
	assert_int_equal(sites.counts[SITE_OTHER]->requests, 3);
	sites_get(&sites, (struct str){longest, SITE_NAME_BYTES}, true)->requests++;
	sites_get(&sites, STR("bad.test"), true)->requests++;
	sites_get(&sites, STR("bad.test"), false)->requests++;
	assert_int_equal(sites.counts[1]->requests, 2);
	assert_int_equal(sites.counts[SITE_OTHER]->requests, 3);
	sites_fini(&sites);
	site_names_fini(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_who_gets_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

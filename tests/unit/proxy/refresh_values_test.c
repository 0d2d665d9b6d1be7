/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/transaction/refresh_values.h"

static struct refresh_rule_values values_of(const char *lines, const char *url)
{
	struct server_fixture fixture;
	struct refresh_rule_values values;

	server_fixture_init(&fixture, lines);
	refresh_values_for(fixture.snapshot, str_of(url), &values);
	server_fixture_fini(&fixture);
	return values;
}

static struct freshness_policy policy_of(const char *lines)
{
	struct server_fixture fixture;
	struct freshness_policy policy;

	server_fixture_init(&fixture, lines);
	refresh_values_policy(fixture.snapshot, &policy);
	server_fixture_fini(&fixture);
	return policy;
}

static void the_first_line_that_matches_gives_its_values(void **state)
{
	static const char *const lines = "refresh_pattern /a 1 30% 2\n"
					 "refresh_pattern . 3 40% 4 max-stale=5\n";
	struct refresh_rule_values values = values_of(lines, "http://x/a");

	(void)state;
	assert_int_equal(values.min_s, 60);
	assert_int_equal(values.percent, 30);
	assert_int_equal(values.max_s, 120);
	assert_int_equal(values.flags, 0);
	values = values_of(lines, "http://x/b");
	assert_int_equal(values.min_s, 180);
	assert_int_equal(values.percent, 40);
	assert_int_equal(values.max_s, 240);
	assert_int_equal(values.flags, REFRESH_HAS_MAX_STALE);
	assert_int_equal(values.max_stale_s, 300);
}

static void without_a_match_squids_own_values_hold(void **state)
{
	struct refresh_rule_values values = values_of("refresh_pattern /a 1 30% 2\n", "http://x/b");
	const struct refresh_rule_values expected = {.max_s = 3 * 86400, .percent = 20};

	(void)state;
	assert_memory_equal(&values, &expected, sizeof(values));
}

static void every_option_keeps_its_meaning(void **state)
{
	static const struct {
		const char *option;
		unsigned flag;
	} cases[] = {
		{"override-expire", REFRESH_OVERRIDE_EXPIRE},
		{"override-lastmod", REFRESH_OVERRIDE_LASTMOD},
		{"reload-into-ims", REFRESH_RELOAD_INTO_IMS},
		{"ignore-reload", REFRESH_IGNORE_RELOAD},
		{"ignore-no-store", REFRESH_IGNORE_NO_STORE},
		{"ignore-private", REFRESH_IGNORE_PRIVATE},
		{"refresh-ims", REFRESH_REFRESH_IMS},
		{"store-stale", REFRESH_STORE_STALE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *line = mem_printf("refresh_pattern . 0 20%% 10 %s\n", cases[i].option);

		if (values_of(line, "http://x/").flags != cases[i].flag)
			fail_msg("%s", cases[i].option);
		mem_free(line);
	}
}

static void the_policy_is_that_of_the_directives(void **state)
{
	struct freshness_policy policy = policy_of("");

	(void)state;
	assert_int_equal(policy.max_stale_s, 7 * 86400);
	assert_false(policy.has_reload_option || policy.reload_into_ims || policy.refresh_all_ims ||
	             policy.is_offline);
	assert_int_equal(policy_of("max_stale 1 minute\n").max_stale_s, 60);
	assert_true(policy_of("refresh_all_ims on\n").refresh_all_ims);
	assert_true(policy_of("offline_mode on\n").is_offline);
	assert_true(policy_of("reload_into_ims on\n").reload_into_ims);
}

/* A client's no-cache is asked of the rules where any line speaks of it. */
static void a_reload_option_anywhere_counts_for_all(void **state)
{
	(void)state;
	assert_true(policy_of("reload_into_ims on\n").has_reload_option);
	assert_true(policy_of("refresh_pattern /a 0 20% 10 ignore-reload\n").has_reload_option);
	assert_true(policy_of("refresh_pattern . 0 20% 10\n"
	                      "refresh_pattern /a 0 20% 10 reload-into-ims\n")
	                    .has_reload_option);
	assert_false(policy_of("refresh_pattern . 0 20% 10 refresh-ims\n").has_reload_option);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_that_matches_gives_its_values),
		cmocka_unit_test(without_a_match_squids_own_values_hold),
		cmocka_unit_test(every_option_keeps_its_meaning),
		cmocka_unit_test(the_policy_is_that_of_the_directives),
		cmocka_unit_test(a_reload_option_anywhere_counts_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/delay_pools.h"
#include "tests/support/config_lines.h"

struct fixture {
	struct config_lines lines;
	struct arena arena;
	struct acl_set *set;
	struct delay_config config;
};

static void set_up(struct fixture *fixture)
{
	config_lines_init(&fixture->lines);
	arena_init(&fixture->arena, NULL, 0);
	fixture->set = acl_set_create();
	delay_config_init(&fixture->config);
}

static void tear_down(struct fixture *fixture)
{
	delay_config_fini(&fixture->config);
	acl_set_destroy(fixture->set);
	arena_fini(&fixture->arena);
	config_lines_fini(&fixture->lines);
}

static void take(struct fixture *fixture, const char *text)
{
	const struct words *words = config_line(&fixture->lines, text);
	struct report *report = fixture->lines.report;
	struct delay_config *config = &fixture->config;
	struct str name = words_text(words, 0);

	if (str_eq(name, STR("delay_pools")))
		delay_parse_pools(config, false, words, report);
	else if (str_eq(name, STR("client_delay_pools")))
		delay_parse_pools(config, true, words, report);
	else if (str_eq(name, STR("delay_class")))
		delay_parse_class(config, words, report);
	else if (str_eq(name, STR("delay_parameters")))
		delay_parse_parameters(config, words, report);
	else if (str_eq(name, STR("client_delay_parameters")))
		delay_parse_client_parameters(config, words, report);
	else if (str_eq(name, STR("delay_access")))
		delay_parse_access(config, false, fixture->set, words, report);
	else if (str_eq(name, STR("response_delay_pool")))
		delay_parse_response_pool(config, &fixture->arena, words, report);
	else
		delay_parse_response_access(config, fixture->set, words, report);
}

/* Squid: cf.data.pre, delay_parameters: what the rates of each class are. */
static void rates_have_their_places(void **state)
{
	struct fixture fixture;
	const struct delay_pool *pools;

	(void)state;
	set_up(&fixture);
	take(&fixture, "delay_pools 3");
	take(&fixture, "delay_class 1 1");
	take(&fixture, "delay_class 2 2");
	take(&fixture, "delay_class 3 3");
	take(&fixture, "delay_parameters 1 8000/16000");
	take(&fixture, "delay_parameters 2 none 100/200");
	take(&fixture, "delay_parameters 3 -1/-1 300/400 500/600");
	take(&fixture, "delay_access 2 allow all");
	assert_int_equal(report_nmessages(fixture.lines.report), 0);
	pools = fixture.config.pools;
	assert_int_equal(pools[0].rates[0].restore_bytes, 8000);
	assert_int_equal(pools[0].rates[0].max_bytes, 16000);
	assert_int_equal(pools[1].rates[0].max_bytes, 0);
	assert_int_equal(pools[1].rates[1].max_bytes, 0);
	assert_int_equal(pools[1].rates[2].max_bytes, 200);
	assert_int_equal(pools[2].rates[0].max_bytes, 0);
	assert_int_equal(pools[2].rates[1].max_bytes, 400);
	assert_int_equal(pools[2].rates[2].restore_bytes, 500);
	assert_null(pools[0].access);
	assert_non_null(pools[1].access);
	tear_down(&fixture);
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *lines[3];
		enum report_class what;
		const char *said;
	} cases[] = {
		{{"delay_class 1 1"}, REPORT_FATAL, "there is no pool '1' among 0"},
		{{"delay_pools 1", "delay_class 2 1"}, REPORT_FATAL, "there is no pool '2'"},
		{{"delay_pools 1", "delay_class 1 6"}, REPORT_FATAL, ""},
		{{"delay_pools 1", "delay_class 1 4"}, REPORT_WARNING, "limits nothing"},
		{{"delay_pools 100000"}, REPORT_FATAL, ""},
		{{"delay_pools 1", "delay_class 1 2", "delay_parameters 1 1/1"},
	         REPORT_FATAL,
	         "has 2 rates"},
		{{"delay_pools 1", "delay_class 1 1", "delay_parameters 1 1"},
	         REPORT_FATAL,
	         "'1' is no rate"},
		{{"client_delay_pools 1", "client_delay_parameters 1 2"}, REPORT_FATAL, "needs POOL"},
		{{"response_delay_pool"}, REPORT_FATAL, "needs a name"},
		{{"response_delay_pool a speed=1"}, REPORT_FATAL, "'speed=1' is no option"},
		{{"response_delay_pool_access a allow all"}, REPORT_FATAL, "no response_delay_pool 'a'"},
		{{"response_delay_pool a aggregate-restore=1 initial-bucket-level=10",
	          "response_delay_pool_access a allow all"},
	         REPORT_NOTE,
	         NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;

		set_up(&fixture);
		for (size_t k = 0; k < COUNT(cases[i].lines) && cases[i].lines[k]; k++)
			take(&fixture, cases[i].lines[k]);
		if (!config_lines_said(&fixture.lines, cases[i].what, cases[i].said))
			fail_msg("%s: '%s'", cases[i].lines[0], config_lines_first(&fixture.lines));
		tear_down(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_have_their_places),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/upgrade_rules.h"

#include "tests/unit/squid-compat/acl_fixture.h"

/* Lines of http_upgrade_request_protocols without the name; the set is sealed behind them. */
static struct upgrade_rules *rules_of(struct fixture *fixture, const char *text)
{
	struct upgrade_rules *rules = upgrade_rules_create();
	struct str rest = str_of(text), line;

	while (str_split(&rest, '\n', &line))
		upgrade_rules_parse(rules, fixture->set,
		                    config_line(&fixture->lines,
		                                arena_printf(&fixture->arena, "u %.*s", STR_ARG(line)).at),
		                    fixture->lines.report);
	acl_set_seal(fixture->set, fixture->lines.report);
	return rules;
}

static void an_offer_follows_the_rules_that_name_it_or_other(void **state)
{
	static const struct {
		const char *lines, *offer;
		bool allowed;
	} cases[] = {
		{"websocket allow all", "websocket", true},
		{"websocket allow all", "WebSocket", true},
		{"WebSocket allow all", "websocket/13", true},
		{"websocket allow all", "chat", false},
		{"websocket allow CONNECT", "websocket", false},
		{"websocket deny CONNECT\nwebsocket allow all", "websocket", true},
		{"websocket allow all\nwebsocket deny all", "websocket", true},
		{"Foo deny all\nOTHER allow all", "foo", false},
		{"Foo deny all\nOTHER allow all", "bar", true},
		{"Foo deny CONNECT\nOTHER allow all", "Foo", false},
		{"other allow all", "bar", false},
		{"OTHER deny all", "bar", false},
		{"Bar/1 deny all\nBar allow all", "Bar/1", false},
		{"Bar/1 deny all\nBar allow all", "Bar/2", true},
		{"Bar/1 deny all\nBar allow all", "Bar", true},
		{"Bar/1 allow all\nOTHER allow all", "Bar/2", false},
		{"Bar/1 allow all\nOTHER allow all", "Bar", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		struct upgrade_rules *rules;

		fixture_init(&fixture);
		rules = rules_of(&fixture, cases[i].lines);
		if (upgrade_rules_allow(rules, str_of(cases[i].offer), &fixture.facts) !=
		    cases[i].allowed)
			fail_msg("'%s', %s", cases[i].lines, cases[i].offer);
		upgrade_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

static void lines_that_cannot_be_used_are_said(void **state)
{
	static const char *const lines[] = {"", "/1 allow all", "Foo/ allow all", "Foo", "Foo all",
	                                    "Foo allow", "Foo allow nobody"};
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct fixture fixture;
		struct upgrade_rules *rules;

		fixture_init(&fixture);
		rules = upgrade_rules_create();
		upgrade_rules_parse(rules, fixture.set,
		                    config_line(&fixture.lines,
		                                arena_printf(&fixture.arena, "u %s", lines[i]).at),
		                    fixture.lines.report);
		if (config_lines_said(&fixture.lines, REPORT_ERROR, NULL))
			fail_msg("'%s'", lines[i]);
		assert_false(upgrade_rules_allow(rules, STR("Foo"), &fixture.facts));
		upgrade_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_follows_the_rules_that_name_it_or_other),
		cmocka_unit_test(lines_that_cannot_be_used_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

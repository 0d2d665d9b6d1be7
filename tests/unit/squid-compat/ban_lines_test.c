/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/ban_lines.h"

struct fixture {
	struct config_lines lines;
	struct acl_set *acls;
	struct ban_lines bans;
};

static void set_up(struct fixture *fixture)
{
	config_lines_init(&fixture->lines);
	fixture->acls = acl_set_create();
	ban_lines_init(&fixture->bans, &fixture->lines.arena);
}

static void tear_down(struct fixture *fixture)
{
	ban_lines_fini(&fixture->bans);
	acl_set_destroy(fixture->acls);
	config_lines_fini(&fixture->lines);
}

static void take(struct fixture *fixture, const char *text)
{
	ban_lines_parse(&fixture->bans, fixture->acls, config_line(&fixture->lines, text),
	                fixture->lines.report);
}

static void a_line_has_a_number_a_window_and_a_time(void **state)
{
	const struct ban_line *line;
	struct fixture fixture;

	(void)state;
	set_up(&fixture);
	take(&fixture, "ban logins auth-failures 5 10 minutes 1 hour");
	take(&fixture, "ban all acl 2 1 second 1 day !localhost");
	assert_int_equal(fixture.bans.n, 2);
	line = CONTAINER(fixture.bans.all.next, struct ban_line, node);
	assert_int_equal(line->n, 5);
	assert_int_equal(line->window_ms, 600000);
	assert_int_equal(line->duration_ms, 3600000);
	assert_null(line->condition);
	line = CONTAINER(fixture.bans.all.prev, struct ban_line, node);
	assert_non_null(line->condition);
	tear_down(&fixture);
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"ban", "ban needs NAME"},
		{"ban a b/c auth-failures", "ban needs NAME"},
		{"ban a/b auth-failures 5 1 minute 1 hour", "ban needs NAME"},
		{"ban a colour 5 1 minute 1 hour", "ban needs NAME"},
		{"ban a auth-failures 0 1 minute 1 hour", ""},
		{"ban a auth-failures 5 0 minutes 1 hour", "no time is 0"},
		{"ban a auth-failures 5 60 days 1 hour", "up to 30 days"},
		{"ban a auth-failures 5 1 minute 1 hour all", "ACLs follow 'acl'"},
		{"ban a acl 5 1 minute 1 hour", "ACLs follow 'acl'"},
		{"ban a acl 5 1 minute 1 hour nobody", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;

		set_up(&fixture);
		take(&fixture, cases[i].line);
		if (!config_lines_said(&fixture.lines, REPORT_FATAL, cases[i].said))
			fail_msg("%s: '%s'", cases[i].line, config_lines_first(&fixture.lines));
		tear_down(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_a_number_a_window_and_a_time),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

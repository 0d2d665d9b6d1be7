/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/cachemgr_passwd.h"

#include "lib/base/check.h"
#include "tests/support/config_lines.h"

struct rig {
	struct config_lines lines;
	struct cachemgr_passwds passwds;
};

static void init(struct rig *rig)
{
	static const char *const lines[] = {
		"cachemgr_passwd secret shutdown info",
		"cachemgr_passwd disable config",
		"cachemgr_passwd none offline_toggle shutdown",
		"cachemgr_passwd other all",
		"cachemgr_passwd late menu",
	};

	config_lines_init(&rig->lines);
	cachemgr_passwds_init(&rig->passwds, &rig->lines.arena);
	for (size_t i = 0; i < COUNT(lines); i++)
		cachemgr_passwds_parse(&rig->passwds, config_line(&rig->lines, lines[i]),
				       rig->lines.report);
}

/* Squid: cachemgr_passwd; the first line that names the action, or all, counts. */
static void the_first_line_for_an_action_counts(void **state)
{
	static const struct {
		const char *action;
		enum cachemgr_protection protection;
		const char *password;
	} cases[] = {
		{"shutdown", CACHEMGR_PROTECTED, "secret"},
		{"info", CACHEMGR_PROTECTED, "secret"},
		{"config", CACHEMGR_DISABLED, NULL},
		{"offline_toggle", CACHEMGR_PUBLIC, NULL},
		{"menu", CACHEMGR_PROTECTED, "other"},
		{"whatever", CACHEMGR_PROTECTED, "other"},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str action = str_of(cases[i].action);

		if (cachemgr_protection(&rig.passwds, action, true) != cases[i].protection)
			fail_msg("%s", cases[i].action);
		if (cases[i].password &&
		    !cachemgr_password_is(&rig.passwds, action, str_of(cases[i].password)))
			fail_msg("%s: %s", cases[i].action, cases[i].password);
	}
	config_lines_fini(&rig.lines);
}

static void nothing_but_the_password_is_one(void **state)
{
	static const char *const wrong[] = {"",       "s",     "secre",     "secrets", "Secret",
					    "secretsecret", "other", "disable", "none"};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (cachemgr_password_is(&rig.passwds, STR("info"), str_of(wrong[i])))
			fail_msg("%s", wrong[i]);
	config_lines_fini(&rig.lines);
}

static void without_a_line_what_acts_is_hidden(void **state)
{
	struct cachemgr_passwds none;

	(void)state;
	cachemgr_passwds_init(&none, NULL);
	assert_int_equal(cachemgr_protection(&none, STR("shutdown"), true), CACHEMGR_HIDDEN);
	assert_int_equal(cachemgr_protection(&none, STR("info"), false), CACHEMGR_PUBLIC);
	assert_false(cachemgr_password_is(&none, STR("shutdown"), STR("x")));
}

static void lines_that_do_nothing_are_told(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	/* shutdown again, and menu behind all */
	assert_int_equal(report_count(rig.lines.report, REPORT_WARNING), 2);
	cachemgr_passwds_parse(&rig.passwds, config_line(&rig.lines, "cachemgr_passwd x"),
			       rig.lines.report);
	assert_int_equal(report_count(rig.lines.report, REPORT_WARNING), 3);
	cachemgr_passwds_parse(&rig.passwds, config_line(&rig.lines, "cachemgr_passwd"),
			       rig.lines.report);
	assert_int_equal(report_count(rig.lines.report, REPORT_FATAL), 1);
	config_lines_fini(&rig.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_for_an_action_counts),
		cmocka_unit_test(nothing_but_the_password_is_one),
		cmocka_unit_test(without_a_line_what_acts_is_hidden),
		cmocka_unit_test(lines_that_do_nothing_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

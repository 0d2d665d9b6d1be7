/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/refresh_pattern.h"

#include "lib/base/check.h"
#include "tests/support/config_lines.h"

enum { MINUTE = 60, DAY = 24 * 3600, YEAR = 365 * DAY };

/* Squid: cf.data.pre, refresh_pattern. One line, and the rule that it makes for its URL. */
static void lines_become_rules(void **state)
{
	/* clang-format off */
	static const struct {
		const char *line;
		struct refresh_rule rule;
		enum report_class what;
		const char *said; /* NULL: nothing */
	} cases[] = {
		{"refresh_pattern . 10 50% 20",
		 {10 * MINUTE, 20 * MINUTE, 50, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern . 0 20 4320", {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern -i HTTP: 1 1% 1", {MINUTE, MINUTE, 1, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern -i +i ^http: 1 300% 1",
		 {MINUTE, MINUTE, 300, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern . -5 20% 10",
		 {0, 10 * MINUTE, 20, -1, 0, NULL}, REPORT_WARNING, "is negative"},
		{"refresh_pattern . 0 20% 525601",
		 {0, YEAR, 20, -1, 0, NULL}, REPORT_WARNING, "cut to one year"},
		{"refresh_pattern . 525600 20% 525600", {YEAR, YEAR, 20, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern . 0 0% 1 override-expire override-lastmod reload-into-ims "
		 "ignore-reload ignore-no-store ignore-private refresh-ims store-stale",
		 {0, MINUTE, 0, -1, 0xff, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern . 0 0% 1 max-stale=5",
		 {0, MINUTE, 0, 5 * MINUTE, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern . 0 0% 1 foo ignore-private",
		 {0, MINUTE, 0, -1, REFRESH_OPTION_IGNORE_PRIVATE, NULL},
		 REPORT_ERROR, "refreshAddToList: Unknown option 'foo'"},
		{"refresh_pattern . 0 0% 1 ignore-no-cache",
		 {0, MINUTE, 0, -1, 0, NULL}, REPORT_WARNING,
		 "UPGRADE: refresh_pattern option 'ignore-no-cache' is obsolete. Remove it."},
		{"refresh_pattern . 0 0% 1 ignore-auth",
		 {0, MINUTE, 0, -1, 0, NULL}, REPORT_WARNING, "'ignore-auth' is obsolete"},
		/* no rule: the built-in one */
		{"refresh_pattern (?:x) 1 1% 1",
		 {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_ERROR, "Invalid regular expression '(?:x)'"},
		{"refresh_pattern . 1 1%", {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_FATAL, "needs REGEX MIN"},
		{"refresh_pattern . 1 1% 1h",
		 {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_FATAL, "'1h' is no number of minutes"},
		{"refresh_pattern . 1 % 1",
		 {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_FATAL, "'%' is no percentage"},
		{"refresh_pattern ^ftp: 1 1% 1", {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_NOTE, NULL},
		{"refresh_pattern HTTP: 1 1% 1", {0, 3 * DAY, 20, -1, 0, NULL}, REPORT_NOTE, NULL},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct refresh_rules *rules = refresh_rules_create();
		const struct refresh_rule *rule, *expected = &cases[i].rule;
		struct config_lines lines;

		config_lines_init(&lines);
		refresh_rules_parse(rules, config_line(&lines, cases[i].line), lines.report);
		rule = refresh_rules_find(rules, STR("http://www.example/a?b=1"));
		if (rule->min_s != expected->min_s || rule->max_s != expected->max_s ||
		    rule->percent != expected->percent ||
		    rule->max_stale_s != expected->max_stale_s ||
		    rule->options != expected->options)
			fail_msg("'%s': %lld %g %lld %lld %x", cases[i].line,
			         (long long)rule->min_s, rule->percent, (long long)rule->max_s,
			         (long long)rule->max_stale_s, rule->options);
		if (!strstr(rule->text, cases[i].line) && !strstr(rule->text, "no line matches"))
			fail_msg("'%s': its text is '%s'", cases[i].line, rule->text);
		if (!config_lines_said(&lines, cases[i].what, cases[i].said))
			fail_msg("'%s': '%s'", cases[i].line, config_lines_first(&lines));
		config_lines_fini(&lines);
		refresh_rules_destroy(rules);
	}
}

static void the_first_pattern_that_matches_counts(void **state)
{
	static const char *const text[] = {
		"refresh_pattern ^ftp: 1440 20% 10080",
		"refresh_pattern -i (/cgi-bin/|\\?) 0 0% 0",
		"refresh_pattern \\.(jpg|png)$ 7 20% 8 ignore-reload",
		"refresh_pattern . 5 20% 4320",
	};
	static const struct {
		const char *url;
		int64_t min_s;
	} cases[] = {
		{"ftp://h/x.jpg", DAY},
		{"http://h/CGI-BIN/x", 0},
		{"http://h/x?y", 0},
		{"http://h/x.jpg?y=1", 0},
		{"http://h/x.jpg", 7 * MINUTE},
		{"http://h/", 5 * MINUTE},
	};
	struct refresh_rules *rules = refresh_rules_create();
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	assert_false(refresh_rules_have_reload_option(rules));
	for (size_t i = 0; i < COUNT(text); i++)
		refresh_rules_parse(rules, config_line(&lines, text[i]), lines.report);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (refresh_rules_find(rules, str_of(cases[i].url))->min_s != cases[i].min_s)
			fail_msg("%s", cases[i].url);
	assert_true(refresh_rules_have_reload_option(rules));
	assert_int_equal(refresh_rules_find(NULL, STR("x"))->max_s, 3 * DAY);
	config_lines_fini(&lines);
	refresh_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_rules),
		cmocka_unit_test(the_first_pattern_that_matches_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

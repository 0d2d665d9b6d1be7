/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/rate_limits.h"

struct fixture {
	struct config_lines lines;
	struct acl_set *acls;
	struct rate_limit_lines limits;
};

static void set_up(struct fixture *fixture)
{
	config_lines_init(&fixture->lines);
	fixture->acls = acl_set_create();
	rate_limit_lines_init(&fixture->limits, &fixture->lines.arena);
}

static void tear_down(struct fixture *fixture)
{
	rate_limit_lines_fini(&fixture->limits);
	acl_set_destroy(fixture->acls);
	config_lines_fini(&fixture->lines);
}

static void take(struct fixture *fixture, const char *text)
{
	const struct words *words = config_line(&fixture->lines, text);

	if (str_eq(words_text(words, 0), STR("rate_limit")))
		rate_limit_lines_parse(&fixture->limits, words, fixture->lines.report);
	else
		rate_limit_lines_parse_access(&fixture->limits, fixture->acls, words,
		                              fixture->lines.report);
}

static void rates_are_per_second_minute_hour_and_day(void **state)
{
	static const struct {
		const char *line;
		int64_t units_per_s;
	} cases[] = {
		{"rate_limit x 10 5 address", 10 * RATE_LIMIT_UNITS},
		{"rate_limit x 10/s 5 address", 10 * RATE_LIMIT_UNITS},
		{"rate_limit x 10/m 5 address", 10 * RATE_LIMIT_UNITS / 60},
		{"rate_limit x 10/h 5 address", 10 * RATE_LIMIT_UNITS / 3600},
		{"rate_limit x 10/d 5 network", 10},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rate_limit_line *line;
		struct fixture fixture;

		set_up(&fixture);
		take(&fixture, cases[i].line);
		assert_int_equal(fixture.limits.n, 1);
		line = CONTAINER(fixture.limits.all.next, struct rate_limit_line, node);
		assert_int_equal(line->units_per_s, cases[i].units_per_s);
		assert_int_equal(line->burst_units, 5 * RATE_LIMIT_UNITS);
		assert_false(line->needs_user);
		tear_down(&fixture);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *lines[3];
		enum report_class what;
		const char *said;
	} cases[] = {
		{{"rate_limit x 10/s 5 user host path=2 header=X-Key"}, REPORT_NOTE, NULL},
		{{"rate_limit x 10/s 5 address", "rate_limit_access x allow all"}, REPORT_NOTE, NULL},
		{{"rate_limit x 10/s 5"}, REPORT_FATAL, "needs NAME RATE BURST KEY"},
		{{"rate_limit x 0/s 5 address"}, REPORT_FATAL, "'0/s' is no rate"},
		{{"rate_limit x 10/ 5 address"}, REPORT_FATAL, "'10/' is no rate"},
		{{"rate_limit x 10/y 5 address"}, REPORT_FATAL, "'10/y' is no rate"},
		{{"rate_limit x 10/s 0 address"}, REPORT_FATAL, ""},
		{{"rate_limit x 10/s 5 colour"}, REPORT_FATAL, "'colour' is no key"},
		{{"rate_limit x 10/s 5 header="}, REPORT_FATAL, "'header=' is no key"},
		{{"rate_limit x 10/s 5 address=1"}, REPORT_FATAL, "'address=1' is no key"},
		{{"rate_limit x 10/s 5 path=0"}, REPORT_FATAL, "'path=0' is no key"},
		{{"rate_limit x 1 1 host host host host host"}, REPORT_FATAL, "up to 4"},
		{{"rate_limit x 1 1 host", "rate_limit x 1 1 host"}, REPORT_FATAL, "already"},
		{{"rate_limit_access x allow all"}, REPORT_FATAL, "no rate_limit 'x'"},
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
		cmocka_unit_test(rates_are_per_second_minute_hour_and_day),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/replacement.h"

static void policies_are_named_as_in_squid(void **state)
{
	static const struct {
		struct line_case line;
		enum replacement is;
	} cases[] = {
		{{"p lru", true, 0, NULL}, REPLACEMENT_LRU},
		{{"p heap LRU", true, 0, NULL}, REPLACEMENT_LRU},
		{{"p heap GDSF", true, 0, NULL}, REPLACEMENT_GDSF},
		{{"p heap LFUDA", true, 0, NULL}, REPLACEMENT_LFUDA},
		{{"p heap", true, REPORT_WARNING, "it means heap LRU"}, REPLACEMENT_LRU},
		{{"p heap gdsf", true, REPORT_WARNING, "it means heap LRU"}, REPLACEMENT_LRU},
		{{"p heap GDSF LRU", true, REPORT_WARNING, "'LRU' behind"}, REPLACEMENT_GDSF},
		{{"p lru x", true, REPORT_WARNING, "'x' behind"}, REPLACEMENT_LRU},
		{{"p LRU", false, REPORT_ERROR, "'LRU' is none of lru,"}, REPLACEMENT_OWN},
		{{"p GDSF", false, REPORT_ERROR, "'GDSF' is none of"}, REPLACEMENT_OWN},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum replacement is = REPLACEMENT_OWN;
		bool ok = replacement_parse(config_line(&lines, cases[i].line.line), lines.report, &is);

		config_lines_judge(&lines, &cases[i].line, ok);
		assert_int_equal(is, cases[i].is);
	}
	config_lines_fini(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_are_named_as_in_squid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

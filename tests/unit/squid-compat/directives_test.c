/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/reading.h"
#include "tests/support/data_file.h"

#define DIRECTIVES_FILE "tests/unit/squid-compat/directives.tsv"

/* Which verdicts do a name justice; bits of enum verdict. */
static unsigned fitting_verdicts(const char *weight)
{
	static const struct {
		const char *weight;
		unsigned verdicts;
	} rows[] = {
		{"core", 1 << HONOURED},
		{"useful", 1 << HONOURED | 1 << ACCEPTED | 1 << WARNED},
		{"accept", 1 << HONOURED | 1 << ACCEPTED},
		{"forward-only", 1 << WARNED | 1 << REFUSED},
		{"obsolete", 1 << OBSOLETE | 1 << TRANSLATED},
		{"unknown", 1 << UNKNOWN | 1 << TRANSLATED},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].weight, weight) == 0)
			return rows[i].verdicts;
	fail_msg("what is '%s'?", weight);
	return 0;
}

static void check_name(const char *name, const char *first_name, const char *weight)
{
	const struct directive *directive = directive_find(str_of(name));

	if (!directive)
		fail_msg("%s is not in the table", name);
	else if (strcmp(directive->name, first_name) != 0)
		fail_msg("%s is an alias of %s, not of %s", name, first_name, directive->name);
	else if (!(fitting_verdicts(weight) & 1u << directive->verdict))
		fail_msg("%s: verdict %d does not fit '%s'", name, directive->verdict, weight);
}

static void every_name_that_squid_knows_has_a_row(void **state)
{
	FILE *file = data_open(DIRECTIVES_FILE);
	char line[512];
	size_t nnames = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest = line, *name = strsep(&rest, "\t"), *aliases = strsep(&rest, "\t");

		if (line[0] == '#')
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		check_name(name, name, rest);
		for (char *alias = strtok(aliases, " "); alias; alias = strtok(NULL, " "))
			check_name(alias, name, rest);
		nnames++;
	}
	fclose(file);
	assert_int_equal(nnames, 401);
}

static void rows_are_whole_and_their_own(void **state)
{
	const struct directive *row;
	size_t i;

	(void)state;
	for (i = 0; (row = directive_at(i)); i++) {
		if (directive_find(str_of(row->name)) != row)
			fail_msg("%s has two rows", row->name);
		if (directive_number(row) != i)
			fail_msg("%s is not where it should be", row->name);
		if ((row->verdict == ACCEPTED || row->verdict == WARNED ||
		     row->verdict == REFUSED || row->verdict == UNKNOWN) &&
		    !row->help)
			fail_msg("%s does not say why", row->name);
		if ((row->verdict == HONOURED || row->verdict == TRANSLATED) && !row->parse && strcmp(row->name, "include") != 0)
			fail_msg("%s is honoured by nobody", row->name);
	}
	assert_true(i <= READING_MAX_DIRECTIVES);
}

static void names_are_case_sensitive(void **state)
{
	(void)state;
	assert_null(directive_find(STR("Via")));
	assert_null(directive_find(STR("")));
	assert_null(directive_find(STR("vi")));
	assert_non_null(directive_find(STR("via")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_that_squid_knows_has_a_row),
		cmocka_unit_test(rows_are_whole_and_their_own),
		cmocka_unit_test(names_are_case_sensitive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

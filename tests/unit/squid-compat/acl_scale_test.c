/* SPDX-License-Identifier: BSD-2-Clause */
/* What a look into a long list costs, and a line of a long file: not what the length is. */
#include <stdio.h>
#include <time.h>

#include "tests/unit/squid-compat/acl_fixture.h"

enum { LONG = 100000, SHORT = 10, NCHECKS = 20000, NROUNDS = 5 };
enum { FEW_NAMES = 250, MANY_NAMES = 10000 };
#define MAX_LINE_RATIO 8 /* forty times as many names; a set walked through would show 40 */
#define MAX_RATIO 20 /* ten thousand times as many values; a list walked through would show 1000 */

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* n values, one a line, of which none is the fixture's. */
static void write_values(struct buf *out, bool is_domain, unsigned n)
{
	buf_init(out, 16 << 20);
	for (unsigned i = 0; i < n; i++) {
		if (is_domain)
			buf_printf(out, ".site%u.example\n", i);
		else
			buf_printf(out, "10.%u.%u.%u\n", i >> 16 & 255, i >> 8 & 255, i & 255);
	}
	buf_add_char(out, '\0');
}

static void check_often(struct fixture *fixture)
{
	for (int i = 0; i < NCHECKS; i++)
		assert_int_equal(fixture_check(fixture), ACL_DENY);
}

/* The least CPU time of some rounds. */
static double measure(const char *line, bool is_domain, unsigned n)
{
	struct fixture fixture;
	double least_s = 1e9;
	struct buf values;

	write_values(&values, is_domain, n);
	fixture_init(&fixture);
	fixture_file = values.at;
	fixture_line(&fixture, line);
	fixture_lines(&fixture, "http_access allow x\nhttp_access deny all");
	for (int i = 0; i < NROUNDS; i++) {
		double start_s = cpu_s(), took_s;

		check_often(&fixture);
		took_s = cpu_s() - start_s;
		least_s = took_s < least_s ? took_s : least_s;
	}
	fixture_fini(&fixture);
	buf_fini(&values);
	return least_s;
}

static void a_long_list_costs_what_a_short_one_does(void **state)
{
	static const struct {
		const char *line;
		bool is_domain;
	} cases[] = {
		{"acl x dstdomain \"/values\"", true},
		{"acl x src \"/values\"", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		double few_s = measure(cases[i].line, cases[i].is_domain, SHORT);
		double many_s = measure(cases[i].line, cases[i].is_domain, LONG);

		print_message("%s: %.0f ns with %d values, %.0f ns with %d\n", cases[i].line,
			      few_s / NCHECKS * 1e9, SHORT, many_s / NCHECKS * 1e9, LONG);
		if (many_s > few_s * MAX_RATIO)
			fail_msg("%s", cases[i].line);
	}
}

/* The least CPU time of some rounds for a line of n ACLs and n rules that name them. */
static double measure_names(unsigned n)
{
	struct fixture fixture;
	double least_s = 1e9;
	char line[80];

	for (int round = 0; round < NROUNDS; round++) {
		double start_s = cpu_s(), took_s;

		fixture_init(&fixture);
		for (unsigned i = 0; i < n; i++) {
			snprintf(line, sizeof(line), "acl name%u port %u", i, i % 65535 + 1);
			fixture_line(&fixture, line);
		}
		for (unsigned i = 0; i < n; i++) {
			snprintf(line, sizeof(line), "http_access allow NAME%u", i);
			fixture_line(&fixture, line);
		}
		took_s = cpu_s() - start_s;
		least_s = took_s < least_s ? took_s : least_s;
		fixture_fini(&fixture);
	}
	return least_s / (2.0 * n);
}

static void a_line_among_many_costs_what_one_among_few_does(void **state)
{
	double few_s = measure_names(FEW_NAMES), many_s = measure_names(MANY_NAMES);

	(void)state;
	print_message("%.0f ns a line with %d names, %.0f ns with %d\n", few_s * 1e9, FEW_NAMES,
		      many_s * 1e9, MANY_NAMES);
	assert_true(many_s < few_s * MAX_LINE_RATIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_list_costs_what_a_short_one_does),
		cmocka_unit_test(a_line_among_many_costs_what_one_among_few_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

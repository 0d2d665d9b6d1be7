/* SPDX-License-Identifier: BSD-2-Clause */
/* What a look into a long list costs: not what its length is. */
#include <time.h>

#include "tests/unit/squid-compat/acl_fixture.h"

enum { LONG = 100000, SHORT = 10, NCHECKS = 20000, NROUNDS = 5 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_list_costs_what_a_short_one_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

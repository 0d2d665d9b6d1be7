/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/cache_dir.h"

enum { MAXIMUM_OBJECT = 4 << 20 };

static struct cache_dir *parse(struct config_lines *lines, const char *line)
{
	struct cache_dirs dirs;

	cache_dirs_init(&dirs, &lines->arena);
	cache_dirs_parse(&dirs, config_line(lines, line), MAXIMUM_OBJECT, lines->report);
	return dirs.first;
}

static void lines_are_judged_as_squid_does(void **state)
{
	static const struct line_case cases[] = {
		{"cache_dir ufs /var/spool/squid 100 16 256", true, 0, NULL},
		{"cache_dir aufs /var/spool/squid 100 16 256 min-size=1 max-size=10", true, 0,
		 NULL},
		{"cache_dir diskd /var/spool/squid 100 16 256 Q1=64 Q2=72", true, 0, NULL},
		{"cache_dir rock /var/spool/squid 100 slot-size=4096", true, 0, NULL},
		{"cache_dir ufs /var/spool/squid 100", true, 0, NULL},
		{"cache_dir ufs /tmp 100 write-budget=2GB/day", true, 0, NULL},
		{"cache_dir ufs /tmp 100 write-budget=2GB", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget=2GB/hour", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget=2/day", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget=-2GB/day", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget=GB/day", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget=500KB/day", false, REPORT_FATAL, "1MB or more"},
		{"cache_dir ufs /tmp 100 write-budget=", false, REPORT_FATAL, "write-budget"},
		{"cache_dir ufs /tmp 100 write-budget", false, REPORT_FATAL, "unknown option"},
		{"cache_dir null /tmp", false, REPORT_ERROR,
		 "This proxy does not support the 'null' cache type. Ignoring."},
		{"cache_dir bogus /tmp 1", false, REPORT_ERROR, "'bogus' cache type"},
		{"cache_dir ufs /tmp", false, REPORT_FATAL, "needs a type, a directory and a size"},
		{"cache_dir", false, REPORT_FATAL, "needs a type"},
		{"cache_dir ufs /tmp 0 16 256", false, REPORT_FATAL, "invalid size value '0'"},
		{"cache_dir ufs /tmp x 16 256", false, REPORT_FATAL, "invalid size value 'x'"},
		{"cache_dir ufs /tmp 99999999999999 1 1", false, REPORT_FATAL, "invalid size"},
		{"cache_dir ufs /tmp 1 16 256 foo=1", false, REPORT_FATAL, "unknown option"},
		{"cache_dir ufs /tmp 1 16 256 max-size=x", false, REPORT_FATAL, "invalid size"},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++)
		config_lines_judge(&lines, &cases[i], parse(&lines, cases[i].line) != NULL);
	config_lines_fini(&lines);
}

static void a_directory_becomes_one_file(void **state)
{
	struct config_lines lines;
	const struct cache_dir *dir;

	(void)state;
	config_lines_init(&lines);
	dir = parse(&lines, "cache_dir ufs /var/spool/squid/ 100 16 256");
	assert_non_null(dir);
	assert_string_equal(dir->path.at, "/var/spool/squid");
	assert_string_equal(dir->file.at, "/var/spool/squid/cache.db");
	assert_int_equal(dir->max_bytes, 100 << 20);
	assert_int_equal(dir->max_object_bytes, MAXIMUM_OBJECT);
	assert_int_equal(dir->min_object_bytes, 0);
	dir = parse(&lines, "cache_dir rock /r 1 max-size=-1 min-size=5 no-store");
	assert_non_null(dir);
	assert_int_equal(dir->max_object_bytes, -1);
	assert_int_equal(dir->min_object_bytes, 5);
	assert_true(dir->is_read_only);
	assert_int_equal(dir->write_budget_bytes, 0);
	dir = parse(&lines, "cache_dir rock /r 1 write-budget=20MB/day");
	assert_non_null(dir);
	assert_int_equal(dir->write_budget_bytes, 20 << 20);
	config_lines_fini(&lines);
}

static void the_same_directory_counts_once(void **state)
{
	struct config_lines lines;
	struct cache_dirs dirs;

	(void)state;
	config_lines_init(&lines);
	cache_dirs_init(&dirs, &lines.arena);
	cache_dirs_parse(&dirs, config_line(&lines, "cache_dir ufs /a 1 1 1"), -1, lines.report);
	cache_dirs_parse(&dirs, config_line(&lines, "cache_dir rock /b 1"), -1, lines.report);
	assert_int_equal(dirs.n, 2);
	cache_dirs_parse(&dirs, config_line(&lines, "cache_dir rock /a/ 1"), -1, lines.report);
	assert_int_equal(dirs.n, 2);
	assert_true(config_lines_said(&lines, REPORT_ERROR, "configured already"));
	config_lines_fini(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_judged_as_squid_does),
		cmocka_unit_test(a_directory_becomes_one_file),
		cmocka_unit_test(the_same_directory_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

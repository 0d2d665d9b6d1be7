/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/values.h"
#include "squid-compat/word_cutter.h"
#include "tests/support/config_files.h"

enum kind { ON_OFF, INT, PERCENT, PORT, TIME, SIZE };

/* The value of "name TEXT" as a number; -99 when it is refused. Messages go to printed. */
static int64_t read_value(enum kind kind, const char *text, char **printed)
{
	struct word_cutter *cutter = word_cutter_create();
	struct report *report = report_create();
	char *line = mem_printf("name %s", text);
	struct words words;
	int64_t value = -99;
	uint16_t port;
	bool flag;
	int percent;
	size_t i = 1;

	assert_true(word_cutter_cut(cutter, str_of(line), false, &words, report));
	if (kind == ON_OFF && value_on_off(&words, &i, report, &flag))
		value = flag;
	else if (kind == INT)
		value_int(&words, &i, report, -50, 100000, &value);
	else if (kind == PERCENT && value_percent(&words, &i, report, &percent))
		value = percent;
	else if (kind == PORT && value_port(&words, &i, report, &port))
		value = port;
	else if (kind == TIME)
		value_time_ms(&words, &i, report, &value);
	else if (kind == SIZE)
		value_size(&words, &i, report, "KB", &value);
	assert_int_equal(i == 1, value == -99);
	*printed = config_files_printed(report);
	mem_free(line);
	word_cutter_destroy(cutter);
	report_destroy(report);
	return value;
}

static void values_are_read_as_squid_reads_them(void **state)
{
	static const struct {
		enum kind kind;
		const char *text;
		int64_t value;
		const char *message; /* a part of it; NULL: none */
	} cases[] = {
		{ON_OFF, "on", 1, NULL},
		{ON_OFF, "off", 0, NULL},
		{ON_OFF, "enable", 1,
	         "WARNING: 'enable' is deprecated. Please update to use 'on'."},
		{ON_OFF, "disable", 0, "Please update to use 'off'."},
		{ON_OFF, "On", -99, "Boolean options can only be 'on' or 'off'."},
		{ON_OFF, "1", -99, "Boolean options can only be 'on' or 'off'."},
		{ON_OFF, "", -99, "FATAL: on or off is missing"},
		{INT, "7", 7, NULL},
		{INT, "-7", -7, NULL},
		{INT, "0x10", 16, NULL},
		{INT, "027", 23, NULL},
		{INT, "7x", -99, "'7x' is not a number"},
		{INT, "", -99, "a number is missing"},
		{INT, "99999999999999999999", -99, "is not a number"},
		{INT, "100001", -99, "out of range (-50 to 100000)"},
		{PERCENT, "95", 95, NULL},
		{PERCENT, "95%", 95, NULL},
		{PERCENT, "101", -99, "'101' is not a percentage"},
		{PERCENT, "%", -99, "'' is not a percentage"},
		{PORT, "65535", 65535, NULL},
		{PORT, "65536", -99, "out of range"},
		{TIME, "1 second", 1000, NULL},
		{TIME, "1.5 minutes", 90000, NULL},
		{TIME, "2 SECONDary", 2000, NULL},
		{TIME, "1 nanosecond", 1, NULL},
		{TIME, "1 fortnight", 14 * 86400000LL, NULL},
		{TIME, "2 months", 60 * 86400000LL, NULL},
		{TIME, "1 year", 31557790080LL, NULL},
		{TIME, "0", 0, NULL},
		{TIME, "5", -99, "configuration error: missing time unit"},
		{TIME, "5 sec", -99, "unknown time unit 'sec'"},
		{TIME, "5seconds", -99, "'5seconds' is no number"},
		{TIME, "-5 seconds", -99, "negative"},
		{TIME, "1e3 seconds", -99, "is no number"},
		{TIME, "nan seconds", -99, "is no number"},
		{TIME, "9999999 decades", -99, "too long"},
		{TIME, "", -99, "a time is missing"},
		{SIZE, "5 MB", 5 << 20, NULL},
		{SIZE, "1.5 kb", 1536, NULL},
		{SIZE, "5 bytes", 5, NULL},
		{SIZE, "0", 0, NULL},
		{SIZE, "none", -1, NULL},
		{SIZE, "-1", -1, NULL},
		{SIZE, "5", 5120, "WARNING: No units on 'name 5', assuming 5.00 KB"},
		{SIZE, "5MB", -99, "'5MB' is no size"},
		{SIZE, "5 M", -99, "Unknown bytes unit 'M'"},
		{SIZE, "-5 MB", -99, "negative"},
		{SIZE, "9999999999 GB", -99, "too large"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *printed;
		int64_t value = read_value(cases[i].kind, cases[i].text, &printed);

		if (value != cases[i].value ||
		    (cases[i].message ? !strstr(printed, cases[i].message) : *printed != '\0'))
			fail_msg("'%s' gave %lld and said: %s", cases[i].text, (long long)value,
			         printed);
		free(printed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_squid_reads_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

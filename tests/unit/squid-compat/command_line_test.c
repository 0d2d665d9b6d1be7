/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/base/str.h"
#include "squid-compat/command_line.h"

enum { MAX_WORDS = 32 };

/* Cuts text at blanks into argv behind the program's name. */
static bool parse(char *text, struct command_line *out, struct err_text *why)
{
	char *argv[MAX_WORDS] = {"squid"};
	int argc = 1;

	for (char *word = strtok(text, " "); word && argc < MAX_WORDS; word = strtok(NULL, " "))
		argv[argc++] = word;
	return command_line_parse(argc, argv, out, why);
}

static void options_are_read_as_squid_reads_them(void **state)
{
	char text[] =
		"-NCd1 -f /etc/a word -f/etc/b -sYX --kid squid-1 --foreground -l local3 -n wiki "
		"-a 80 -u 0 -z -D";
	struct command_line line;
	struct err_text why;

	(void)state;
	assert_true(parse(text, &line, &why));
	assert_true(line.no_daemon && line.to_syslog && line.full_debug && line.foreground);
	assert_true(line.create_caches && line.has_obsolete_d);
	assert_int_equal(line.stderr_level, 1);
	assert_string_equal(line.config_path, "/etc/b");
	assert_string_equal(line.kid, "squid-1");
	assert_int_equal(line.syslog_facility, LOG_LOCAL3);
	assert_string_equal(line.service_name, "wiki");
	assert_int_equal(line.control, CONTROL_NONE);
}

static void nothing_said_is_the_default(void **state)
{
	char text[] = "-- -N";
	struct command_line line;
	struct err_text why;

	(void)state;
	assert_true(parse(text, &line, &why));
	assert_null(line.config_path);
	assert_string_equal(line.service_name, "squid");
	assert_int_equal(line.stderr_level, -1);
	assert_false(line.no_daemon);
}

static void control_words_may_be_cut_short(void **state)
{
	static const struct {
		const char *word;
		enum control_action action;
		int signal;
	} cases[] = {
		{"r", CONTROL_RECONFIGURE, SIGHUP}, {"rec", CONTROL_RECONFIGURE, SIGHUP},
		{"ro", CONTROL_ROTATE, SIGUSR1},    {"d", CONTROL_DEBUG, SIGUSR2},
		{"s", CONTROL_SHUTDOWN, SIGTERM},   {"i", CONTROL_INTERRUPT, SIGINT},
		{"kill", CONTROL_KILL, SIGKILL},    {"res", CONTROL_RESTART, SIGTTIN},
		{"check", CONTROL_CHECK, 0},        {"p", CONTROL_PARSE, -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command_line line;
		struct err_text why;
		char text[64];

		snprintf(text, sizeof(text), "-k %s", cases[i].word);
		if (!parse(text, &line, &why) || line.control != cases[i].action ||
		    control_signal(line.control) != cases[i].signal)
			fail_msg("-k %s", cases[i].word);
	}
}

static void faults_are_named(void **state)
{
	static const struct {
		const char *words, *why;
	} cases[] = {
		{"-Q", "'-Q': unrecognized option or missing required argument"},
		{"-NQ", "'-NQ': unrecognized option or missing required argument"},
		{"-f", "'-f': unrecognized option or missing required argument"},
		{"--bogus", "'--bogus': unrecognized option or missing required argument"},
		{"--kid", "'--kid': unrecognized option or missing required argument"},
		{"--foreground=1",
	         "'--foreground=1': unrecognized option or missing required argument"},
		{"-k bogus", ""},
		{"-d x", "'x' is no level for the -d option"},
		{"-d 1x", "'1x' is no level for the -d option"},
		{"-l bogus", "unknown syslog facility 'bogus'"},
		{"-k reconfigured", ""},
		{"-n a-b", "Expected alphanumeric service name for the -n option but got: a-b"},
		{"-n a23456789012345678901234567890123",
	         "Service name (-n option) must be limited to 32 characters but got 33"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command_line line = {.stderr_level = 77};
		struct err_text why = {"?"};
		char text[128];

		str_copy(str_of(cases[i].words), text, sizeof(text));
		if (parse(text, &line, &why) || strcmp(why.at, cases[i].why) != 0 ||
		    line.stderr_level != 77)
			fail_msg("%s: %s", cases[i].words, why.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read_as_squid_reads_them),
		cmocka_unit_test(nothing_said_is_the_default),
		cmocka_unit_test(control_words_may_be_cut_short),
		cmocka_unit_test(faults_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include <syslog.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/log/access_log.h"

struct rig {
	struct config_lines lines;
	struct log_config config;
	struct acl_set *acls;
};

static void init(struct rig *rig)
{
	config_lines_init(&rig->lines);
	rig->acls = acl_set_create();
	logformats_init(&rig->config.formats, &rig->lines.arena);
	logformats_parse(&rig->config.formats, config_line(&rig->lines, "logformat mine %>a"),
			 rig->lines.report);
	access_logs_init(&rig->config.logs, "access_log", &rig->lines.arena,
			 &rig->config.formats, rig->acls);
}

static void fini(struct rig *rig)
{
	access_logs_fini(&rig->config.logs);
	acl_set_destroy(rig->acls);
	config_lines_fini(&rig->lines);
}

static const struct access_log *parse(struct rig *rig, const char *line)
{
	access_logs_fini(&rig->config.logs);
	access_logs_init(&rig->config.logs, "access_log", &rig->lines.arena,
			 &rig->config.formats, rig->acls);
	access_logs_parse(&rig->config.logs, config_line(&rig->lines, line), rig->lines.report);
	return rig->config.logs.first;
}

static void lines_have_two_forms(void **state)
{
	static const struct {
		const char *line;
		enum access_log_module module;
		const char *place, *format;
		bool has_condition;
	} cases[] = {
		{"access_log /l/a.log", ACCESS_LOG_STDIO, "/l/a.log", "squid", false},
		{"access_log stdio:/l/a.log mine", ACCESS_LOG_STDIO, "/l/a.log", "mine", false},
		{"access_log /l/a.log combined all", ACCESS_LOG_STDIO, "/l/a.log", "combined", true},
		{"access_log /l/a.log all", ACCESS_LOG_STDIO, "/l/a.log", "squid", true},
		{"access_log daemon:/l/a.log squid", ACCESS_LOG_DAEMON, "/l/a.log", "squid", false},
		{"access_log stdio:/l/a.log logformat=common buffer-size=8KB rotate=3 all",
		 ACCESS_LOG_STDIO, "/l/a.log", "common", true},
		{"access_log syslog:daemon.info squid", ACCESS_LOG_SYSLOG, "daemon.info", "squid", false},
		{"access_log udp://127.0.0.1:514 mine", ACCESS_LOG_UDP, "127.0.0.1:514", "mine", false},
		{"access_log tcp:127.0.0.1:514", ACCESS_LOG_TCP, "127.0.0.1:514", "squid", false},
		{"access_log none", ACCESS_LOG_NONE, NULL, NULL, false},
		{"access_log none all", ACCESS_LOG_NONE, NULL, NULL, true},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct access_log *log = parse(&rig, cases[i].line);

		if (!log || report_count(rig.lines.report, REPORT_FATAL) > 0)
			fail_msg("%s: %s", cases[i].line, config_lines_first(&rig.lines));
		if (log->module != cases[i].module ||
		    !str_eq(log->place, str_of(cases[i].place)) ||
		    !!log->condition != cases[i].has_condition)
			fail_msg("%s", cases[i].line);
		if (!!log->format != !!cases[i].format ||
		    (log->format && !str_eq(log->format->name, str_of(cases[i].format))))
			fail_msg("%s: format", cases[i].line);
	}
	fini(&rig);
}

static void options_reach_their_fields(void **state)
{
	struct rig rig;
	const struct access_log *log;

	(void)state;
	init(&rig);
	log = parse(&rig, "access_log /a buffer-size=8KB rotate=3 on-error=drop");
	assert_int_equal(log->buffer_bytes, 8192);
	assert_int_equal(log->rotate, 3);
	assert_true(log->drops_on_error);
	log = parse(&rig, "access_log /a buffer-size=0");
	assert_int_equal(log->buffer_bytes, 0);
	assert_int_equal(log->rotate, -1);
	assert_false(log->drops_on_error);
	fini(&rig);
}

static void syslog_has_a_facility_and_a_priority(void **state)
{
	static const struct {
		const char *line;
		int priority;
	} cases[] = {
		{"access_log syslog:daemon.notice", LOG_DAEMON | LOG_NOTICE},
		{"access_log syslog:local4|err", LOG_LOCAL4 | LOG_ERR},
		{"access_log syslog:authpriv squid", LOG_AUTHPRIV | LOG_INFO},
		{"access_log syslog:.debug", LOG_USER | LOG_DEBUG},
		{"access_log syslog: squid", LOG_USER | LOG_INFO},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (parse(&rig, cases[i].line)->priority != cases[i].priority)
			fail_msg("%s", cases[i].line);
	fini(&rig);
}

static void faults_are_told(void **state)
{
	static const struct {
		const char *line;
		enum report_class what;
		const char *says;
	} cases[] = {
		{"access_log", REPORT_FATAL, "needs a place"},
		{"access_log stdio:", REPORT_FATAL, "needs a place"},
		{"access_log /a logformat=bogus", REPORT_FATAL, "'bogus' is not defined"},
		{"access_log /a on-error=maybe", REPORT_FATAL, "on-error"},
		{"access_log /a buffer-size=x", REPORT_FATAL, "buffer-size"},
		{"access_log /a rotate=-1", REPORT_FATAL, "rotate"},
		{"access_log /a foo=1", REPORT_FATAL, "Unknown access_log option 'foo=1'"},
		{"access_log udp:nowhere", REPORT_FATAL, "HOST:PORT"},
		{"access_log /a bogus", REPORT_FATAL, "ACL not found: bogus"},
		{"access_log syslog:nowhere.info", REPORT_WARNING,
		 "Unknown syslog facility/priority 'nowhere'"},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		config_lines_forget(&rig.lines);
		parse(&rig, cases[i].line);
		if (!config_lines_said(&rig.lines, cases[i].what, cases[i].says))
			fail_msg("%s: said %s", cases[i].line, config_lines_first(&rig.lines));
	}
	fini(&rig);
}

static void the_default_is_squids(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	assert_int_equal(rig.config.logs.n, 0);
	access_logs_add_default(&rig.config.logs, STR("/var/log/squid/access.log"));
	assert_int_equal(rig.config.logs.n, 1);
	assert_true(str_eq(rig.config.logs.first->format->name, STR("squid")));
	assert_int_equal(rig.config.logs.first->module, ACCESS_LOG_DAEMON);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_two_forms),
		cmocka_unit_test(options_reach_their_fields),
		cmocka_unit_test(syslog_has_a_facility_and_a_priority),
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(the_default_is_squids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

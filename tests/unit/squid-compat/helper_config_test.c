/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/auth_config.h"
#include "squid-compat/rewrite_config.h"
#include "tests/support/config_lines.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

struct rig {
	struct config_lines lines;
	struct rewrite_config rewrite;
	struct auth_config auth;
};

static void init(struct rig *rig)
{
	config_lines_init(&rig->lines);
	rewrite_config_init(&rig->rewrite, false, &rig->lines.arena, &test_world);
	auth_config_init(&rig->auth, &rig->lines.arena, &test_world);
}

static void fini(struct rig *rig)
{
	config_lines_fini(&rig->lines);
}

static const struct words *line(struct rig *rig, const char *text)
{
	return config_line(&rig->lines, text);
}

/* The options of a line, and their defaults. */
static void children_have_squids_defaults_and_caps(void **state)
{
	static const struct {
		const char *line;
		unsigned max, startup, idle, concurrency, queue;
		enum report_class what;
		const char *says;
	} cases[] = {
		{"url_rewrite_children 20", 20, 0, 1, 0, 40, 0, NULL},
		{"url_rewrite_children 5 startup=2 idle=3 concurrency=10 queue-size=7", 5, 2, 3, 10,
		 7, 0, NULL},
		{"url_rewrite_children 5 startup=9 idle=8", 5, 5, 5, 0, 10, REPORT_WARNING,
		 "OVERRIDE: Capping startup=9 to the defined maximum (5)"},
		{"url_rewrite_children 5 idle=0", 5, 0, 1, 0, 10, REPORT_WARNING, "idle=0"},
		{"url_rewrite_children 5 on-persistent-overload=ERR", 5, 0, 1, 0, 10, 0, NULL},
		{"url_rewrite_children 5 foo=1", 20, 0, 1, 0, 40, REPORT_FATAL, "foo=1"},
		{"url_rewrite_children 0", 20, 0, 1, 0, 40, REPORT_FATAL, "maximum number"},
		{"url_rewrite_children", 20, 0, 1, 0, 40, REPORT_FATAL, "maximum number"},
		{"url_rewrite_children 5 startup=-1", 20, 0, 1, 0, 40, REPORT_FATAL, "startup=-1"},
		{"url_rewrite_children 5 on-persistent-overload=x", 20, 0, 1, 0, 40, REPORT_FATAL,
		 "overload=x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct helper_children *children;
		struct rig rig;

		init(&rig);
		children = &rig.rewrite.children;
		rewrite_parse_children(&rig.rewrite, line(&rig, cases[i].line), rig.lines.report);
		if (children->max != cases[i].max || children->startup != cases[i].startup ||
		    children->idle != cases[i].idle ||
		    children->concurrency != cases[i].concurrency ||
		    helper_queue_size(children, false) != cases[i].queue)
			fail_msg("%s", cases[i].line);
		if (!config_lines_said(&rig.lines, cases[i].what, cases[i].says))
			fail_msg("%s: said %s", cases[i].line, config_lines_first(&rig.lines));
		fini(&rig);
	}
}

static void a_bypassed_queue_is_empty_by_default(void **state)
{
	const struct helper_children children = {.max = 5, .queue_size = -1};

	(void)state;
	assert_int_equal(helper_queue_size(&children, true), 0);
}

static void commands_are_split_without_a_shell(void **state)
{
	static const struct {
		const char *line;
		unsigned argc;
		const char *last;
	} cases[] = {
		{"url_rewrite_program /ok/rw", 1, "/ok/rw"},
		{"url_rewrite_program /ok/rw -x  y", 3, "y"},
		{"url_rewrite_program /ok/rw \"a b\"", 3, "b\""},
		{"url_rewrite_program /ok/rw -x # why", 2, "-x"},
		{"url_rewrite_program none", 0, NULL},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct helper_command *command = &rig.rewrite.command;

		rewrite_parse_program(&rig.rewrite, line(&rig, cases[i].line), rig.lines.report);
		if (command->argc != cases[i].argc)
			fail_msg("%s: %u words", cases[i].line, command->argc);
		if (cases[i].last && (strcmp(command->argv[command->argc - 1], cases[i].last) ||
				      command->argv[command->argc]))
			fail_msg("%s", cases[i].line);
	}
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	rewrite_parse_program(&rig.rewrite, line(&rig, "url_rewrite_program"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_FATAL, "missing"));
	fini(&rig);
}

static void a_program_that_is_not_there_stops_the_start(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rewrite_parse_program(&rig.rewrite, line(&rig, "url_rewrite_program /x"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	rewrite_check(&rig.rewrite, "redirect_program", rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR,
				      "redirect_program /x: (2) No such file or directory"));
	fini(&rig);
}

static int only_ours(const char *path, int mode)
{
	(void)mode;
	return strcmp(path, BOBTAIL_LIBEXECDIR "/basic_ncsa_auth") == 0 ? 0 : ENOENT;
}

static int only_beside_the_program(const char *path, int mode)
{
	bool is_elsewhere = str_starts_with(str_of(path), STR("/usr/lib/squid/")) ||
			    str_starts_with(str_of(path), STR(BOBTAIL_LIBEXECDIR));

	(void)mode;
	return is_elsewhere ? ENOENT : 0;
}

/* A program that is not installed has its helpers beside it. */
static void the_bundled_program_may_lie_beside_ours(void **state)
{
	struct world world = world_system;
	struct rig rig;
	char *own = realpath("/proc/self/exe", NULL), *expected;

	(void)state;
	assert_non_null(own);
	expected = mem_printf("%.*s/basic_ncsa_auth", (int)(strrchr(own, '/') - own), own);
	init(&rig);
	world.may = only_beside_the_program;
	rig.rewrite.world_ = &world;
	rewrite_parse_program(&rig.rewrite,
			      line(&rig, "url_rewrite_program /usr/lib/squid/basic_ncsa_auth"),
			      rig.lines.report);
	rewrite_check(&rig.rewrite, "redirect_program", rig.lines.report);
	assert_string_equal(rig.rewrite.command.argv[0], expected);
	assert_true(config_lines_said(&rig.lines, REPORT_WARNING, expected));
	fini(&rig);
	mem_free(expected);
	free(own);
}

static void the_bundled_program_takes_the_place_of_one_of_squids(void **state)
{
	static const struct {
		const char *path;
		bool is_replaced;
	} cases[] = {
		{"/usr/lib/squid/basic_ncsa_auth", true},
		{"/usr/lib/squid3/basic_ncsa_auth", true},
		{"/usr/libexec/squid/basic_ncsa_auth", true},
		{"/usr/lib/squid/other_auth", false},
		{"/usr/lib/squid/x/basic_ncsa_auth", false},
		{"/opt/basic_ncsa_auth", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world world = world_system;
		char text[128];
		struct rig rig;

		init(&rig);
		world.may = only_ours;
		rig.rewrite.world_ = &world;
		snprintf(text, sizeof(text), "url_rewrite_program %s -x", cases[i].path);
		rewrite_parse_program(&rig.rewrite, line(&rig, text), rig.lines.report);
		rewrite_check(&rig.rewrite, "redirect_program", rig.lines.report);
		assert_string_equal(rig.rewrite.command.argv[0],
				    cases[i].is_replaced ? BOBTAIL_LIBEXECDIR "/basic_ncsa_auth"
							 : cases[i].path);
		assert_string_equal(rig.rewrite.command.argv[1], "-x");
		assert_true(config_lines_said(&rig.lines,
					      cases[i].is_replaced ? REPORT_WARNING : REPORT_ERROR,
					      cases[i].path));
		fini(&rig);
	}
}

static void a_program_that_anybody_may_change_is_warned_of(void **state)
{
	char path[] = "/tmp/helper-XXXXXX", text[64];
	int fd = mkstemp(path);
	struct rig rig;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0777), 0);
	close(fd);
	init(&rig);
	rig.rewrite.world_ = &world_system;
	snprintf(text, sizeof(text), "url_rewrite_program %s", path);
	rewrite_parse_program(&rig.rewrite, line(&rig, text), rig.lines.report);
	rewrite_check(&rig.rewrite, "redirect_program", rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_WARNING, "anybody may write"));
	fini(&rig);
	unlink(path);
}

static void on_error_says_what_no_answer_means(void **state)
{
	static const struct {
		const char *line;
		enum helper_on_error means;
		bool is_refused;
	} cases[] = {
		{"url_rewrite_children 5", HELPER_ON_ERROR_USUAL, false},
		{"url_rewrite_children 5 on-error=bypass", HELPER_ON_ERROR_BYPASS, false},
		{"url_rewrite_children 5 on-error=503", HELPER_ON_ERROR_503, false},
		{"url_rewrite_children 5 on-error=deny", HELPER_ON_ERROR_DENY, false},
		{"url_rewrite_children 5 on-error=stale:9", HELPER_ON_ERROR_STALE, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		init(&rig);
		rewrite_parse_children(&rig.rewrite, line(&rig, cases[i].line), rig.lines.report);
		assert_int_equal(rig.rewrite.children.on_error, cases[i].means);
		assert_true(config_lines_said(&rig.lines, cases[i].is_refused ? REPORT_ERROR : 0,
					      cases[i].is_refused ? "on-error=stale:" : NULL));
		fini(&rig);
	}
}

static void timeouts_say_what_happens_then(void **state)
{
	static const struct {
		const char *line;
		enum rewrite_timeout action;
		const char *response; /* NULL: none */
		const char *says;     /* fatal; NULL: nothing */
	} cases[] = {
		{"url_rewrite_timeout 5 seconds on_timeout=bypass", REWRITE_TIMEOUT_BYPASS, NULL,
		 NULL},
		{"url_rewrite_timeout 5 seconds on_timeout=fail", REWRITE_TIMEOUT_FAIL, NULL, NULL},
		{"url_rewrite_timeout 5 seconds on_timeout=retry", REWRITE_TIMEOUT_RETRY, NULL,
		 NULL},
		{"url_rewrite_timeout 5 seconds on_timeout=use_configured_response "
		 "response=\"OK url=http://x/\"",
		 REWRITE_TIMEOUT_RESPONSE, "OK url=http://x/", NULL},
		{"url_rewrite_timeout 5 seconds on_timeout=use_configured_response response=ERR",
		 REWRITE_TIMEOUT_RESPONSE, "ERR", NULL},
		{"url_rewrite_timeout 5 seconds on_timeout=use_configured_response",
		 REWRITE_TIMEOUT_RESPONSE, NULL, "Expected 'response='"},
		{"url_rewrite_timeout 5 seconds on_timeout=maybe", REWRITE_TIMEOUT_FAIL, NULL,
		 "on_timeout=maybe"},
		{"url_rewrite_timeout 0 seconds on_timeout=fail", REWRITE_TIMEOUT_NONE, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		init(&rig);
		rewrite_parse_timeout(&rig.rewrite, line(&rig, cases[i].line), rig.lines.report);
		if (rig.rewrite.on_timeout != cases[i].action ||
		    !str_eq(rig.rewrite.timeout_response, str_of(cases[i].response)))
			fail_msg("%s: %.*s", cases[i].line, STR_ARG(rig.rewrite.timeout_response));
		if (!config_lines_said(&rig.lines, REPORT_FATAL, cases[i].says))
			fail_msg("%s: said %s", cases[i].line, config_lines_first(&rig.lines));
		fini(&rig);
	}
}

static void extras_are_a_format(void **state)
{
	struct log_facts facts = {.request = {.method = STR("GET")},
				  .client_request = {.method = STR("GET")},
				  .client_name = STR("vm")};
	struct addr client;
	struct buf out;
	struct rig rig;

	(void)state;
	init(&rig);
	buf_init(&out, 4096);
	assert_true(addr_parse(STR("127.0.0.1"), 1, &client));
	facts.client = facts.client_local = &client;
	assert_non_null(rig.rewrite.extras);
	logformat_render(rig.rewrite.extras, &facts, &out);
	assert_true(str_eq(buf_str(&out), STR("127.0.0.1/vm - GET myip=127.0.0.1 myport=1")));
	rewrite_parse_extras(&rig.rewrite, line(&rig, "url_rewrite_extras \"%>rm x\""),
			     rig.lines.report);
	assert_non_null(rig.rewrite.extras);
	buf_clear(&out);
	logformat_render(rig.rewrite.extras, &facts, &out);
	assert_true(str_eq(buf_str(&out), STR("GET x")));
	rewrite_parse_extras(&rig.rewrite, line(&rig, "url_rewrite_extras \"\""), rig.lines.report);
	assert_null(rig.rewrite.extras);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	rewrite_parse_extras(&rig.rewrite, line(&rig, "url_rewrite_extras %zz"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_FATAL, "Unsupported"));
	buf_fini(&out);
	fini(&rig);
}

static void an_old_concurrency_line_wins(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rewrite_parse_concurrency(&rig.rewrite, line(&rig, "url_rewrite_concurrency 4"),
				  rig.lines.report);
	rewrite_parse_children(&rig.rewrite, line(&rig, "url_rewrite_children 5 concurrency=1"),
			       rig.lines.report);
	assert_int_equal(rig.rewrite.children.concurrency, 4);
	assert_int_equal(rig.rewrite.children.max, 5);
	assert_true(config_lines_said(&rig.lines, REPORT_WARNING, "overriding"));
	fini(&rig);
}

static void basic_reads_its_parameters(void **state)
{
	static const char *const text[] = {
		"auth_param basic program /ok/basic_ncsa_auth /etc/passwd",
		"auth_param basic children 5 startup=1 concurrency=2",
		"auth_param basic realm My  Realm",
		"auth_param basic credentialsttl 30 minutes",
		"auth_param basic casesensitive on",
		"auth_param basic utf8 on",
		"auth_param basic key_extras \"%>a %lp\"",
	};
	const struct auth_scheme *basic;
	struct rig rig;

	(void)state;
	init(&rig);
	basic = &rig.auth.schemes[AUTH_BASIC];
	assert_string_equal(basic->realm.at, "Squid proxy-caching web server");
	assert_int_equal(basic->credentials_ttl_s, 7200);
	assert_false(auth_is_usable(basic));
	for (size_t i = 0; i < COUNT(text); i++)
		auth_parse(&rig.auth, line(&rig, text[i]), rig.lines.report);
	auth_check(&rig.auth, rig.lines.report);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	assert_true(auth_is_usable(basic));
	assert_int_equal(basic->command.argc, 2);
	assert_int_equal(basic->children.startup, 1);
	assert_string_equal(basic->realm.at, "My  Realm");
	assert_int_equal(basic->credentials_ttl_s, 1800);
	assert_true(basic->is_case_sensitive && basic->is_utf8 && basic->key_extras);
	fini(&rig);
}

static void auth_faults_are_told(void **state)
{
	static const struct {
		const char *line;
		enum report_class what;
		const char *says;
	} cases[] = {
		{"auth_param", REPORT_FATAL, "Unknown authentication scheme"},
		{"auth_param bogus program /x", REPORT_FATAL, "scheme 'bogus'"},
		{"auth_param basic", REPORT_FATAL, "Unknown"},
		{"auth_param basic bogus 1", REPORT_ERROR,
		 "unrecognised basic auth scheme parameter 'bogus'"},
		{"auth_param basic nonce_max_count 5", REPORT_ERROR, "unrecognised"},
		{"auth_param basic realm", REPORT_FATAL, "realm is missing"},
		{"auth_param basic casesensitive maybe", REPORT_FATAL, "on"},
		{"auth_param basic credentialsttl 5", REPORT_FATAL, "unit"},
		{"auth_param digest realm a\"b", REPORT_FATAL, "quotes"},
		{"auth_param basic children 5 on-error=allow", REPORT_FATAL, "on-error=allow"},
		{"auth_param basic children 5 on-error=stale:", REPORT_FATAL, "on-error=stale:"},
		{"auth_param digest algorithms MD4", REPORT_FATAL, "MD4"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		init(&rig);
		auth_parse(&rig.auth, line(&rig, cases[i].line), rig.lines.report);
		if (!config_lines_said(&rig.lines, cases[i].what, cases[i].says))
			fail_msg("%s: said %s", cases[i].line, config_lines_first(&rig.lines));
		fini(&rig);
	}
}

static void schemes_keep_the_order_of_their_first_line(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	auth_parse(&rig.auth, line(&rig, "auth_param digest realm R"), rig.lines.report);
	auth_parse(&rig.auth, line(&rig, "auth_param basic program /y"), rig.lines.report);
	auth_parse(&rig.auth, line(&rig, "auth_param digest nonce_max_count 5"), rig.lines.report);
	assert_int_equal(rig.auth.nmentioned, 2);
	assert_int_equal(rig.auth.schemes[AUTH_DIGEST].order, 0);
	assert_int_equal(rig.auth.schemes[AUTH_DIGEST].nonce_max_count, 5);
	assert_int_equal(rig.auth.schemes[AUTH_BASIC].order, 1);
	auth_check(&rig.auth, rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR,
				      "auth_param basic program /y: (2) No such file"));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_have_squids_defaults_and_caps),
		cmocka_unit_test(a_bypassed_queue_is_empty_by_default),
		cmocka_unit_test(commands_are_split_without_a_shell),
		cmocka_unit_test(a_program_that_is_not_there_stops_the_start),
		cmocka_unit_test(the_bundled_program_takes_the_place_of_one_of_squids),
		cmocka_unit_test(the_bundled_program_may_lie_beside_ours),
		cmocka_unit_test(a_program_that_anybody_may_change_is_warned_of),
		cmocka_unit_test(on_error_says_what_no_answer_means),
		cmocka_unit_test(timeouts_say_what_happens_then),
		cmocka_unit_test(extras_are_a_format),
		cmocka_unit_test(an_old_concurrency_line_wins),
		cmocka_unit_test(basic_reads_its_parameters),
		cmocka_unit_test(auth_faults_are_told),
		cmocka_unit_test(schemes_keep_the_order_of_their_first_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

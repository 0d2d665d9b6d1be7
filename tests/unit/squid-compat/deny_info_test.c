/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/pages/deny_info.h"

struct rig {
	struct config_lines lines;
	struct error_pages pages;
	struct deny_infos infos;
	struct buf out;
};

static void init(struct rig *rig)
{
	config_lines_init(&rig->lines);
	error_pages_init(&rig->pages, &rig->lines.arena, &test_world);
	deny_infos_init(&rig->infos, &rig->lines.arena);
	buf_init(&rig->out, 65536);
}

static void fini(struct rig *rig)
{
	buf_fini(&rig->out);
	config_lines_fini(&rig->lines);
}

static void parse(struct rig *rig, const char *line)
{
	deny_infos_parse(&rig->infos, config_line(&rig->lines, line), rig->lines.report);
}

/* What a deny_info line may name, and when it is taken. */
static void lines_are_judged_as_squid_does(void **state)
{
	static const struct line_case cases[] = {
		{"deny_info ERR_ACCESS_DENIED a", true, 0, NULL},
		{"deny_info 404:ERR_ACCESS_DENIED a b", true, 0, NULL},
		{"deny_info http://x/?u=%u a", true, 0, NULL},
		{"deny_info 301:http://x/ a", true, 0, NULL},
		{"deny_info TCP_RESET a", true, 0, NULL},
		{"deny_info mailto:x a", true, 0, NULL},
		{"deny_info", false, REPORT_FATAL, "needs a page or a URL"},
		{"deny_info ERR_X", true, REPORT_WARNING, "no ACL's"},
		{"deny_info 302:ERR_X a", false, REPORT_FATAL, "status 302 requires a URL"},
		{"deny_info 404:http://x/ a", false, REPORT_FATAL, "needs an error page"},
		{"deny_info 100:ERR_X a", false, REPORT_FATAL, "not valid"},
		{"deny_info 600:ERR_X a", false, REPORT_FATAL, "not valid"},
		{"deny_info 99:ERR_X a", false, REPORT_FATAL, "status 99 is not valid"},
		{"deny_info 4294967698:ERR_X a", false, REPORT_FATAL, "not valid"},
		{"deny_info http://x/%q a", false, REPORT_FATAL, "unsupported code '%q'"},
		{"deny_info http://x/% a", false, REPORT_FATAL, "unsupported code '%'"},
		{"deny_info http://x/%s a", true, REPORT_WARNING, "deprecated"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		init(&rig);
		parse(&rig, cases[i].line);
		config_lines_judge(&rig.lines, &cases[i], rig.infos.first != NULL);
		fini(&rig);
	}
}

static void the_first_line_with_the_acl_counts(void **state)
{
	struct rig rig;
	const struct deny_info *info;

	(void)state;
	init(&rig);
	parse(&rig, "deny_info TCP_RESET a b");
	parse(&rig, "deny_info ERR_TOO_BIG B c");
	parse(&rig, "deny_info /ok/mine d");
	parse(&rig, "deny_info ERR_BOGUS e");
	deny_infos_resolve(&rig.infos, &rig.pages, rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR, "ERR_BOGUS"));
	info = deny_infos_find(&rig.infos, STR("b"));
	assert_non_null(info);
	assert_int_equal(info->kind, DENY_RESET);
	info = deny_infos_find(&rig.infos, STR("C"));
	assert_non_null(info);
	assert_ptr_equal(info->page, rig.pages.builtin[ERROR_TOO_BIG]);
	assert_string_equal(deny_infos_find(&rig.infos, STR("d"))->page->name.at, "/ok/mine");
	assert_ptr_equal(deny_infos_find(&rig.infos, STR("e"))->page,
			 rig.pages.builtin[ERROR_ACCESS_DENIED]);
	assert_null(deny_infos_find(&rig.infos, STR("f")));
	fini(&rig);
}

static void the_status_depends_on_the_request(void **state)
{
	static const struct {
		const char *line;
		enum http_method method;
		int minor, status;
		const char *error_value;
	} cases[] = {
		{"deny_info http://x/ a", HTTP_GET, 1, 302, "403 Access Denied"},
		{"deny_info http://x/ a", HTTP_HEAD, 1, 302, "403 Access Denied"},
		{"deny_info http://x/ a", HTTP_POST, 0, 302, "403 Access Denied"},
		{"deny_info http://x/ a", HTTP_POST, 1, 307, "403 Access Denied"},
		{"deny_info 301:http://x/ a", HTTP_POST, 1, 301, "301 Access Denied"},
		{"deny_info 404:ERR_ACCESS_DENIED a", HTTP_GET, 1, 404, "404:ERR_ACCESS_DENIED 0"},
		{"deny_info ERR_TOO_BIG a", HTTP_GET, 1, 403, "ERR_TOO_BIG 0"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig rig;

		init(&rig);
		parse(&rig, cases[i].line);
		assert_non_null(rig.infos.first);
		deny_info_error_value(rig.infos.first, &rig.out);
		if (deny_info_status(rig.infos.first, cases[i].method, cases[i].minor) !=
			    cases[i].status ||
		    !str_eq(buf_str(&rig.out), str_of(cases[i].error_value)))
			fail_msg("%s: %.*s", cases[i].line, STR_ARG(buf_str(&rig.out)));
		fini(&rig);
	}
}

/* The Location observed on Squid 5.7. */
static void locations_are_byte_exact(void **state)
{
	const struct log_request request = {
		.method = STR("GET"),
		.url = STR("http://s.example:28080/d1/a%20b?x=1&y=%20z"),
		.path = STR("/d1/a%20b?x=1&y=%20z"),
	};
	const struct error_facts facts = {.name = ERROR_ACCESS_DENIED, .request = &request};
	struct rig rig;

	(void)state;
	init(&rig);
	parse(&rig, "deny_info http://e/?u=%u&R=%R&a=%a&o=%o a");
	assert_non_null(rig.infos.first);
	deny_info_location(rig.infos.first, &rig.pages, &facts, &rig.out);
	assert_true(str_eq(buf_str(&rig.out),
			   STR("http://e/?u=http%3A%2F%2Fs.example%3A28080%2Fd1%2Fa%2520b%3Fx%3D1"
			       "%26amp%3By%3D%2520z&R=/d1/a%20b?x=1&amp;y=%20z&a=-&o=")));
	fini(&rig);
}

static void no_value_breaks_out_of_the_location(void **state)
{
	const struct log_request request = {
		.method = STR("G\r\nX: y"),
		.path = STR("/\r\nSet-Cookie: a"),
	};
	const struct error_facts facts = {.request = &request};
	struct rig rig;

	(void)state;
	init(&rig);
	parse(&rig, "deny_info http://e/%M%R100%% a");
	deny_info_location(rig.infos.first, &rig.pages, &facts, &rig.out);
	assert_int_equal(str_find_char(buf_str(&rig.out), '\r'), rig.out.len);
	assert_int_equal(str_find_char(buf_str(&rig.out), '\n'), rig.out.len);
	assert_true(str_ends_with_nocase(buf_str(&rig.out), STR("100%")));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_judged_as_squid_does),
		cmocka_unit_test(the_first_line_with_the_acl_counts),
		cmocka_unit_test(the_status_depends_on_the_request),
		cmocka_unit_test(locations_are_byte_exact),
		cmocka_unit_test(no_value_breaks_out_of_the_location),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/header_rules.h"

#include "tests/unit/squid-compat/acl_fixture.h"

/* Lines of request_header_access, _replace and _add; the set is sealed behind them. */
static struct header_rules *rules_of(struct fixture *fixture, const char *text)
{
	struct header_rules *rules = header_rules_create();
	struct report *report = fixture->lines.report;
	struct str rest = str_of(text), line;

	while (str_split(&rest, '\n', &line)) {
		const struct words *words =
			config_line(&fixture->lines, arena_str(&fixture->arena, line).at);
		struct str name = words_text(words, 0);

		if (str_eq(name, STR("request_header_access")))
			header_rules_parse_access(rules, fixture->set, words, report);
		else if (str_eq(name, STR("request_header_replace")))
			header_rules_parse_replace(rules, words, report);
		else
			header_rules_parse_add(rules, fixture->set, words, report);
	}
	acl_set_seal(fixture->set, report);
	return rules;
}

static void a_field_follows_its_own_list_or_other_or_all(void **state)
{
	static const struct {
		const char *lines, *name;
		const char *becomes; /* NULL: passes; "": left out */
	} cases[] = {
		{"request_header_access Cookie deny all", "cookie", ""},
		{"request_header_access Cookie deny all", "Accept", NULL},
		{"request_header_access cookie deny CONNECT", "Cookie", NULL},
		{"request_header_access All deny all", "Accept", ""},
		{"request_header_access All deny all", "X-Own", ""},
		{"request_header_access Other deny all", "X-Own", ""},
		{"request_header_access Other deny all", "Accept", NULL},
		{"request_header_access X-Own allow all\nrequest_header_access Other deny all",
	         "x-own", NULL},
		{"request_header_access X-Own deny all\nrequest_header_access Other allow all",
	         "x-own", ""},
		{"request_header_access Accept allow all\nrequest_header_access All deny all",
	         "Accept", NULL},
		{"request_header_access Other allow all\nrequest_header_access All deny all",
	         "X-Own", NULL},
		{"request_header_access Cookie allow CONNECT\nrequest_header_access Cookie deny "
	         "all",
	         "Cookie", ""},
		{"request_header_access Cookie deny all\n"
	         "request_header_replace Cookie a=b; c d",
	         "Cookie", "a=b; c d"},
		{"request_header_replace User-Agent \"Nutscrape/1.0 (x)\"\n"
	         "request_header_access User-Agent deny all",
	         "User-Agent", "Nutscrape/1.0 (x)"},
		{"request_header_replace Cookie x", "Cookie", NULL},
		{"request_header_access Cookie allow all\nrequest_header_replace Cookie x",
	         "Cookie", NULL},
		/* the replacement goes with the list that denied */
		{"request_header_access All deny all\nrequest_header_replace Cookie x", "Cookie",
	         ""},
		{"request_header_access All deny all\nrequest_header_replace All x", "Cookie", "x"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		struct header_rules *rules;
		struct str replacement, name = str_of(cases[i].name);
		bool passes;

		fixture_init(&fixture);
		rules = rules_of(&fixture, cases[i].lines);
		passes = header_rules_allows(rules, http_field_id(name), name, &fixture.facts,
		                             &replacement);
		if (passes != (cases[i].becomes == NULL) ||
		    !str_eq(replacement, str_of(cases[i].becomes)))
			fail_msg("'%s', %s: %d '%.*s'", cases[i].lines, cases[i].name, passes,
			         STR_ARG(replacement));
		header_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

static void without_an_access_list_there_are_no_rules(void **state)
{
	static const struct {
		const char *lines;
		bool is_empty;
	} cases[] = {
		{"request_header_replace Cookie x", true},
		{"request_header_access Cookie Deny all", true},
		{"request_header_access Cookie deny all", false},
		{"request_header_access Cookie deny all\nrequest_header_access Cookie deny CONNECT",
	         false},
	};
	(void)state;
	assert_true(header_rules_is_empty(NULL));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		struct header_rules *rules;

		fixture_init(&fixture);
		rules = rules_of(&fixture, cases[i].lines);
		if (header_rules_is_empty(rules) != cases[i].is_empty)
			fail_msg("'%s'", cases[i].lines);
		header_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

static void additions_keep_their_format_and_their_condition(void **state)
{
	static const struct {
		const char *line, *format;
		bool holds;
	} cases[] = {
		{"request_header_add X-A \"%>a and %ul\"", "%>a and %ul", true},
		{"request_header_add X-A \"%>a and %ul\" all !CONNECT", "%>a and %ul", true},
		{"request_header_add X-A \"%>a\" CONNECT", "%>a", false},
		{"request_header_add X-A \"\\\"%un\\\" \\\\\" all", "\"%un\" \\", true},
		{"request_header_add X-A plain", "plain", true},
		{"request_header_add X-A plain CONNECT", "plain", false},
		{"request_header_add X-A 'a \"b\" c'", "a \"b\" c", true},
		{"request_header_add X-A \"\"", "", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct header_addition *addition;
		struct header_rules *rules;
		struct fixture fixture;

		fixture_init(&fixture);
		rules = rules_of(&fixture, cases[i].line);
		assert_int_equal(header_rules_nadditions(rules), 1);
		addition = header_rules_addition(rules, 0);
		assert_true(str_eq(addition->name, STR("X-A")));
		if (!str_eq(addition->format, str_of(cases[i].format)) ||
		    acl_condition_holds(addition->condition, &fixture.facts) != cases[i].holds)
			fail_msg("'%s': '%.*s'", cases[i].line, STR_ARG(addition->format));
		header_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

static void lines_that_cannot_be_used_are_refused(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"request_header_access", "needs HEADER allow|deny"},
		{"request_header_replace Cookie", "needs HEADER TEXT"},
		{"request_header_replace Cookie a\x01z", "control characters"},
		{"request_header_add X-A", "needs HEADER"},
		{"request_header_add X-A \"open", "lacks its closing quote"},
		{"request_header_add X-A \"x\" nobody", "ACL not found: nobody"},
		{"request_header_add X-A \"%>a %zz\"", "Unsupported %code: '%zz'"},
		{"reply_header_add X-A \"a%\" all", "%code"},
		{"request_header_access Cookie deny nobody", "ACL not found: nobody"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct header_rules *rules;
		struct fixture fixture;

		fixture_init(&fixture);
		rules = rules_of(&fixture, cases[i].line);
		if (!config_lines_said(&fixture.lines, REPORT_FATAL, cases[i].said))
			fail_msg("'%s': '%s'", cases[i].line, config_lines_first(&fixture.lines));
		header_rules_destroy(rules);
		fixture_fini(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_follows_its_own_list_or_other_or_all),
		cmocka_unit_test(without_an_access_list_there_are_no_rules),
		cmocka_unit_test(additions_keep_their_format_and_their_condition),
		cmocka_unit_test(lines_that_cannot_be_used_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

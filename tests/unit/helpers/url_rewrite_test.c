/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "helpers/url_rewrite.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

#define INVALID(url) "ERROR: URL-rewrite produces invalid request: GET " url " HTTP/1.1"
#define WRONG_HELPER "ERROR: URL-rewrite helper returned invalid result code. Wrong helper?"
#define BAD_REDIRECT(status, url) \
	"ERROR: URL-rewrite produces invalid " status " redirect Location: " url

struct row {
	const char *line;
	enum url_rewrite_action action;
	int status;
	const char *url, *complaint; /* NULL: none */
};

static void check_row(const struct row *row)
{
	char *line = mem_strdup(row->line);
	struct helper_reply reply;
	struct url_rewrite_verdict verdict;

	helper_reply_parse(line, strlen(line), &reply);
	url_rewrite_read(&reply, STR("GET"), NULL, &verdict);
	if (verdict.action != row->action || verdict.status != row->status ||
	    !str_eq(verdict.url, str_of(row->url)) ||
	    strcmp(verdict.complaint.at, row->complaint ? row->complaint : "") != 0)
		fail_msg("'%s': %d %d '%.*s' '%s'", row->line, verdict.action, verdict.status,
			 STR_ARG(verdict.url), verdict.complaint.at);
	mem_free(line);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i]);
}

/* The table of Squid 5.7's reactions, row by row; where ours differs, the row says so. */
static void answers_mean_what_they_mean_to_squid(void **state)
{
	static const struct row rows[] = {
		{"OK", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"ERR", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"ERR url=http://x/", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"BH", URL_REWRITE_UNCHANGED, 0, NULL, "ERROR: URL rewrite helper: {result=BH}"},
		{"OK rewrite-url=http://new.example/p", URL_REWRITE_TO, 0, "http://new.example/p", NULL},
		{"OK rewrite-url=http%3A%2F%2Fesc.example%2F", URL_REWRITE_TO, 0, "http://esc.example/",
		 NULL},
		{"OK rewrite-url=\"http://n.example/q?a=b\"", URL_REWRITE_TO, 0,
		 "http://n.example/q?a=b", NULL},
		{"OK rewrite-url=/rel", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("/rel")},
		{"OK rewrite-url=", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("")},
		{"OK url=http://redir.example/x", URL_REWRITE_REDIRECT, 302, "http://redir.example/x",
		 NULL},
		{"OK status=301 url=\"http://redir.example/x y\"", URL_REWRITE_REDIRECT, 301,
		 "http://redir.example/x y", NULL},
		{"OK status=303 url=/here", URL_REWRITE_REDIRECT, 303, "/here", NULL},
		{"OK status=307 url=http://r/", URL_REWRITE_REDIRECT, 307, "http://r/", NULL},
		{"OK status=308 url=http://r/", URL_REWRITE_REDIRECT, 308, "http://r/", NULL},
		{"OK status=200 url=http://r/", URL_REWRITE_UNCHANGED, 0, NULL,
		 BAD_REDIRECT("200", "http://r/")},
		{"OK url=http://a/ rewrite-url=http://b/", URL_REWRITE_REDIRECT, 302, "http://a/", NULL},
		/* Squid sends an empty Location */
		{"OK url=", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"302:", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
		{"301:http://legacy/", URL_REWRITE_REDIRECT, 301, "http://legacy/", NULL},
		{"302:http://legacy/ words", URL_REWRITE_REDIRECT, 302, "http://legacy/", NULL},
		{"303:http://legacy/", URL_REWRITE_REDIRECT, 303, "http://legacy/", NULL},
		{"307:http://legacy/", URL_REWRITE_REDIRECT, 307, "http://legacy/", NULL},
		{"308:http://legacy/", URL_REWRITE_REDIRECT, 308, "http://legacy/", NULL},
		{"300:http://l", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("300:http://l")},
		{"http://bare.example/z", URL_REWRITE_TO, 0, "http://bare.example/z", NULL},
		/* 5.7 glues the words together; 6 takes the first */
		{"http://bare2.example/z 127.0.0.1/- - GET", URL_REWRITE_TO, 0, "http://bare2.example/z",
		 "UPGRADE WARNING: URL rewriter responded with garbage ' 127.0.0.1/- - GET'. Only the "
		 "first word counts"},
		{"!group!http://ug.example/", URL_REWRITE_TO, 0, "http://ug.example/", NULL},
		{"/rel", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("/rel")},
		{"garbage", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("garbage")},
		{"!open", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("!open")},
		{"OKrewrite-url=http://x/", URL_REWRITE_UNCHANGED, 0, NULL, WRONG_HELPER},
		{"rewrite-url=http://x/", URL_REWRITE_UNCHANGED, 0, NULL, WRONG_HELPER},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* H23, H24, H25 */
static void nothing_harmful_gets_through(void **state)
{
	static const struct row rows[] = {
		{"OK rewrite-url=http://x/%0d%0aEvil:1", URL_REWRITE_UNCHANGED, 0, NULL,
		 INVALID("http://x/\r\nEvil:1")},
		{"OK url=http://x/%0d%0aSet-Cookie:a", URL_REWRITE_UNCHANGED, 0, NULL,
		 BAD_REDIRECT("302", "http://x/\r\nSet-Cookie:a")},
		{"OK url=\"a\\nb\"", URL_REWRITE_UNCHANGED, 0, NULL, BAD_REDIRECT("302", "a\nb")},
		{"OK rewrite-url=\"http://x/a b\"", URL_REWRITE_UNCHANGED, 0, NULL,
		 INVALID("http://x/a b")},
		{"OK rewrite-url=javascript:alert(1)", URL_REWRITE_UNCHANGED, 0, NULL,
		 INVALID("javascript:alert(1)")},
		{"OK rewrite-url=file:///etc/passwd", URL_REWRITE_UNCHANGED, 0, NULL,
		 INVALID("file:///etc/passwd")},
		{"OK rewrite-url=http://", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("http://")},
		{"OK rewrite-url=http:///x", URL_REWRITE_UNCHANGED, 0, NULL, INVALID("http:///x")},
		{"OK status=3e2 url=http://x/", URL_REWRITE_UNCHANGED, 0, NULL,
		 BAD_REDIRECT("3e2", "http://x/")},
		{"OK status= url=http://x/", URL_REWRITE_UNCHANGED, 0, NULL, NULL},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void url_of_a_megabyte_is_refused(void **state)
{
	static char line[1 << 20] = "OK rewrite-url=http://x/";
	struct helper_reply reply;
	struct url_rewrite_verdict verdict;

	(void)state;
	memset(line + strlen(line), 'a', sizeof(line) - 1 - strlen(line));
	helper_reply_parse(line, sizeof(line) - 1, &reply);
	url_rewrite_read(&reply, STR("GET"), NULL, &verdict);
	assert_int_equal(verdict.action, URL_REWRITE_UNCHANGED);
	assert_string_not_equal(verdict.complaint.at, "");
}

static void old_group_is_kept(void **state)
{
	char line[] = "!grp!http://ug.example/";
	struct helper_reply reply;
	struct url_rewrite_verdict verdict;

	(void)state;
	helper_reply_parse(line, strlen(line), &reply);
	url_rewrite_read(&reply, STR("GET"), NULL, &verdict);
	assert_true(str_eq(verdict.group, STR("grp")));
}

/* Squid: url_rewrite_timeout's on_timeout. */
static void time_out_does_as_configured(void **state)
{
	char line[] = "OK url=http://busy.example/";
	struct helper_reply response, reply;
	struct url_rewrite_policy policy = {URL_REWRITE_TIMEOUT_FAIL, &response};
	struct url_rewrite_verdict verdict;

	(void)state;
	helper_reply_parse(line, strlen(line), &response);
	helper_reply_set(&reply, HELPER_TIMEOUT);
	url_rewrite_read(&reply, STR("GET"), &policy, &verdict);
	assert_int_equal(verdict.action, URL_REWRITE_FAIL);
	policy.on_timeout = URL_REWRITE_TIMEOUT_BYPASS;
	url_rewrite_read(&reply, STR("GET"), &policy, &verdict);
	assert_int_equal(verdict.action, URL_REWRITE_UNCHANGED);
	policy.on_timeout = URL_REWRITE_TIMEOUT_RESPONSE;
	url_rewrite_read(&reply, STR("GET"), &policy, &verdict);
	assert_int_equal(verdict.action, URL_REWRITE_REDIRECT);
	assert_true(str_eq(verdict.url, STR("http://busy.example/")));
}

static void question_is_one_line_of_bounded_length(void **state)
{
	static char longest[URL_REWRITE_MAX_ASK_BYTES + 1];
	struct buf line;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	buf_init(&line, URL_REWRITE_MAX_ASK_BYTES);
	assert_true(url_rewrite_line(STR("http://x/"), STR("1.2.3.4/- - GET"), &line));
	assert_true(str_eq(buf_str(&line), STR("http://x/ 1.2.3.4/- - GET")));
	buf_clear(&line);
	assert_true(url_rewrite_line(STR("http://x/"), STR_NONE, &line));
	assert_true(str_eq(buf_str(&line), STR("http://x/")));
	assert_false(url_rewrite_line(STR("http://x/\n"), STR("-"), &line));
	assert_false(url_rewrite_line(STR("http://x/"), STR("a\rb"), &line));
	assert_false(url_rewrite_line((struct str){longest, sizeof(longest)}, STR("-"), &line));
	buf_fini(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_mean_what_they_mean_to_squid),
		cmocka_unit_test(nothing_harmful_gets_through),
		cmocka_unit_test(url_of_a_megabyte_is_refused),
		cmocka_unit_test(old_group_is_kept),
		cmocka_unit_test(time_out_does_as_configured),
		cmocka_unit_test(question_is_one_line_of_bounded_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

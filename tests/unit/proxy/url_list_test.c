/* SPDX-License-Identifier: BSD-2-Clause */
/* What a list, a log or a sitemap names, each URL once and in its order. */
#include "proxy/ctl/url_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/check.h"

static const struct {
	const char *what, *site, *text, *urls; /* urls: each behind a blank */
} cases[] = {
	{"nothing", "", "", ""},
	{"a list", "", "http://a/1\nhttp://a/2\r\n\n  http://b/ \n", " http://a/1 http://a/2 http://b/"},
	{"each once", "", "http://a/\nhttp://b/\nhttp://a/\n", " http://a/ http://b/"},
	{"no end of line", "", "https://a/x", " https://a/x"},
	{"words behind", "", "http://a/ 12 hits\n", " http://a/"},
	{"comments and rubbish", "", "# list\nftp://a/\nhello\n\"GET \n\0x", ""},
	{"native log", "",
	 "1763779955.123     12 192.0.2.1 TCP_MISS/200 512 GET http://a/x?y - FIRSTUP_PARENT/192.0.2.9 text/html\n"
	 "1763779955.124     12 192.0.2.1 TCP_MISS/200 512 POST http://a/form - FIRSTUP_PARENT/192.0.2.9 text/html\n"
	 "1763779955.125      0 192.0.2.1 NONE/400 512 GET error:invalid-request - HIER_NONE/- -\n",
	 " http://a/x?y"},
	{"common log, whole URLs", "",
	 "192.0.2.1 - - [22/Nov/2026:03:52:35 +0100] \"GET http://a/x HTTP/1.1\" 200 5 TCP_HIT:HIER_NONE\n",
	 " http://a/x"},
	{"combined log, paths", "http://site",
	 "192.0.2.1 - ann [22/Nov/2026:03:52:35 +0100] \"GET /x HTTP/1.1\" 200 5 \"-\" \"agent\"\n"
	 "192.0.2.1 - ann [22/Nov/2026:03:52:35 +0100] \"POST /y HTTP/1.1\" 200 5 \"-\" \"agent\"\n",
	 " http://site/x"},
	{"paths without a site", "", "h - - [t] \"GET /x HTTP/1.1\" 200 5\n", ""},
	{"sitemap", "",
	 "<?xml version=\"1.0\"?><urlset><url><loc>http://a/?x=1&amp;y=2</loc></url>\n"
	 "<url><loc>\n http://a/ </loc></url><url><loc>http://cut",
	 " http://a/?x=1&y=2 http://a/ http://cut"},
	{"sitemap that would write requests", "",
	 "<loc>http://a/x HTTP/1.1\r\nX-Injected: 1\r\n\r\nGET /y</loc><loc>http://a/\x1b[2J</loc>"
	 "<loc>http://b/\tz</loc><loc>http://c/</loc>",
	 " http://c/"},
	{"list with tabs and control characters", "", "http://a/1\t12\nhttp://a/\x7f\nhttp://a/\x01\n",
	 " http://a/1"},
	{"fragments", "", "http://a/#top\nhttp://a/\nhttp://a/x#y\n", " http://a/ http://a/x"},
};

static void check_case(const char *site, const char *text, const char *expected)
{
	char found[1024] = "";
	struct url_list list;

	url_list_init(&list);
	url_list_read(&list, str_of(text), str_of(site));
	for (size_t i = 0; i < list.n; i++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), " %s", list.urls[i]);
	assert_string_equal(found, expected);
	url_list_fini(&list);
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].what);
		check_case(cases[i].site, cases[i].text, cases[i].urls);
	}
}

static void test_many(void **state)
{
	struct url_list list;
	char line[64];

	(void)state;
	url_list_init(&list);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5000; i++) {
			snprintf(line, sizeof(line), "http://many/%d\n", i);
			url_list_read(&list, str_of(line), STR_NONE);
		}
	}
	assert_int_equal(list.n, 5000);
	assert_string_equal(list.urls[4999], "http://many/4999");
	url_list_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

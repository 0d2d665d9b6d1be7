/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/invalidate.h"
#include "tests/support/messages.h"

/* RFC 9111 §4.4 */
static void success_of_unsafe_methods_invalidates(void **state)
{
	static const struct {
		enum http_method method;
		int status;
		bool due;
	} cases[] = {
		{HTTP_POST, 200, true},  {HTTP_PUT, 204, true},    {HTTP_DELETE, 302, true},
		{HTTP_PATCH, 399, true}, {HTTP_OTHER, 200, true},  {HTTP_PUT, 403, false},
		{HTTP_POST, 500, false}, {HTTP_GET, 200, false},   {HTTP_HEAD, 200, false},
		{HTTP_POST, 100, false}, {HTTP_OPTIONS, 200, false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (invalidate_is_due(cases[i].method, cases[i].status) != cases[i].due)
			fail_msg("%zu", i);
}

/* Same origin only, so that nobody empties another's cache; RFC 3986 §5.4 for the references. */
static void the_urls_are_the_target_and_what_it_names(void **state)
{
	static const struct {
		const char *url, *lines, *urls;
	} cases[] = {
		{"http://a.example/x", "", "http://a.example/x\n"},
		{"http://a.example/x", "Location: /y\r\nContent-Location: http://a.example/z\r\n",
		 "http://a.example/x\nhttp://a.example/y\nhttp://a.example/z\n"},
		{"http://a.example/x", "Location: http://A.example:80/x\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location: http://b.example/x\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location: https://a.example/y\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location: http://a.example:8080/y\r\n", "http://a.example/x\n"},
		{"http://a.example:81/x", "Location: /y#part\r\n",
		 "http://a.example:81/x\nhttp://a.example:81/y\n"},
		{"http://a.example/x", "Location: //a.example/y\r\n",
		 "http://a.example/x\nhttp://a.example/y\n"},
		{"http://a.example/x", "Location: //b.example/y\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location: mailto:x\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location:\r\n", "http://a.example/x\n"},
		{"http://a.example/x", "Location: #x\r\n", "http://a.example/x\n"},
		{"http://a.example/x/y?q", "Location: z\r\n",
		 "http://a.example/x/y?q\nhttp://a.example/x/z\n"},
		{"http://a.example/x/y?q", "Location: ?r=/s\r\n",
		 "http://a.example/x/y?q\nhttp://a.example/x/y?r=/s\n"},
		{"http://a.example/b/c/d", "Location: ../g\r\n",
		 "http://a.example/b/c/d\nhttp://a.example/b/g\n"},
		{"http://a.example/b/c/d", "Location: ../../../../g?h\r\n",
		 "http://a.example/b/c/d\nhttp://a.example/g?h\n"},
		{"http://a.example/b/c/d", "Location: ./\r\n",
		 "http://a.example/b/c/d\nhttp://a.example/b/c/\n"},
		{"http://a.example/b/c/d", "Location: ..\r\n",
		 "http://a.example/b/c/d\nhttp://a.example/b/\n"},
		{"http://a.example/b", "Location: x y\r\n", "http://a.example/b\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_response response;
		struct buf urls;

		buf_init(&urls, 20000);
		message_response(201, cases[i].lines, text, sizeof(text), &response);
		invalidate_urls(str_of(cases[i].url), &response, &urls);
		if (!str_eq(buf_str(&urls), str_of(cases[i].urls)))
			fail_msg("%s %s: %.*s", cases[i].url, cases[i].lines, STR_ARG(buf_str(&urls)));
		buf_fini(&urls);
	}
}

/* RFC 9110 §8.7 */
static void content_location_may_be_the_target_itself(void **state)
{
	static const struct {
		const char *lines;
		bool is_own;
	} cases[] = {
		{"Content-Location: http://www.example/a/b?c\r\n", true},
		{"Content-Location: HTTP://WWW.example:80/a/b?c\r\n", true},
		{"Content-Location: /a/b?c\r\n", true},
		{"Content-Location: b?c\r\n", true},
		{"Content-Location: /a/b\r\n", false},
		{"Content-Location: https://www.example/a/b?c\r\n", false},
		{"Content-Location: http://other.example/a/b?c\r\n", false},
		{"Content-Location: \r\n", false},
		{"Location: /a/b?c\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_response response;

		message_response(200, cases[i].lines, text, sizeof(text), &response);
		if (invalidate_is_own_location(STR("http://www.example/a/b?c"), &response) !=
		    cases[i].is_own)
			fail_msg("%s", cases[i].lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success_of_unsafe_methods_invalidates),
		cmocka_unit_test(the_urls_are_the_target_and_what_it_names),
		cmocka_unit_test(content_location_may_be_the_target_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

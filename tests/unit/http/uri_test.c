/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/http/uri.h"

/* RFC 3986 §3, RFC 9110 §4.2. */
static void urls_have_one_normal_form(void **state)
{
	static const struct {
		const char *text;
		const char *normal; /* NULL: refused */
	} cases[] = {
		{"http://a/", "http://a/"},
		{"HTTP://A.Example:80/B?C", "http://a.example/B?C"},
		{"https://a.:443", "https://a/"},
		{"https://a:80/", "https://a:80/"},
		{"http://a:/x", "http://a/x"},
		{"http://a:00080/x", "http://a/x"},
		{"http://a?q/r", "http://a/?q/r"},
		{"http://[::1]:8080/x", "http://[::1]:8080/x"},
		{"http://[2001:DB8::A]/x", "http://[2001:db8::a]/x"},
		{"http://a/%41%zz", NULL},
		{"http://a/%41?%zz", "http://a/%41?%zz"},
		{"http://a/b/../c", "http://a/b/../c"},
		{"", NULL},
		{"http", NULL},
		{"http:", NULL},
		{"http:/a/", NULL},
		{"http://", NULL},
		{"http:///a", NULL},
		{"http://:80/", NULL},
		{"ftp://a/", NULL},
		{"javascript:alert(1)", NULL},
		{"//a/b", NULL},
		{"/a/b", NULL},
		{"http://u@a/", NULL},
		{"http://u:p@a/", NULL},
		{"http://a/b c", NULL},
		{"http://a/b\r\nc", NULL},
		{"http://a/b#c", NULL},
		{"http://a#b", NULL},
		{"http://a/\xe4", NULL},
		{"http://a\\b/", NULL},
		{"http://a:65536/", NULL},
		{"http://a:0/", NULL},
		{"http://[::1/", NULL},
		{"http://[::1]a/", NULL},
		{"http://[v1.a]/", NULL},
		{"http://[1.2.3.4]/", NULL},
		{"http://[]/", NULL},
		{"http://[", NULL},
		{"http://]", NULL},
		{"http://a..b/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct uri uri;
		struct buf buf;

		buf_init(&buf, 1000);
		if (uri_parse(str_of(cases[i].text), &uri) != (cases[i].normal != NULL))
			fail_msg("%s", cases[i].text);
		if (cases[i].normal && (!uri_add(&buf, &uri) ||
					!str_eq(buf_str(&buf), str_of(cases[i].normal))))
			fail_msg("%s gives %.*s", cases[i].text, STR_ARG(buf_str(&buf)));
		buf_fini(&buf);
	}
}

static void authorities_are_taken_apart(void **state)
{
	char long_name[URI_MAX_HOST + 1];
	struct str longest = {long_name, URI_MAX_HOST}, longer = {long_name, URI_MAX_HOST + 1};
	struct str host;
	uint16_t port;
	bool has_port;

	(void)state;
	assert_true(uri_parse_authority(STR("a.example:8080"), &host, &port, &has_port));
	assert_true(str_eq(host, STR("a.example")) && port == 8080 && has_port);
	assert_true(uri_parse_authority(STR("[::1]"), &host, &port, &has_port));
	assert_true(str_eq(host, STR("[::1]")) && port == 0 && !has_port);
	assert_false(uri_parse_authority(STR("[::1\0 x]"), &host, &port, &has_port));
	assert_true(uri_parse_authority(STR("a:"), &host, &port, &has_port));
	assert_true(str_eq(host, STR("a")) && !has_port);
	assert_false(uri_parse_authority(STR(""), &host, &port, &has_port));
	memset(long_name, 'a', sizeof(long_name));
	assert_true(uri_parse_authority(longest, &host, &port, &has_port));
	assert_false(uri_parse_authority(longer, &host, &port, &has_port));
}

static void a_full_buffer_is_reported(void **state)
{
	struct uri uri;
	struct buf buf;

	(void)state;
	assert_true(uri_parse(STR("http://a.example/path"), &uri));
	buf_init(&buf, 12);
	assert_false(uri_add(&buf, &uri));
	buf_fini(&buf);
}

/* Squid: the basic protocol. */
static void escaping_is_as_helpers_expect(void **state)
{
	static const char user[] = "p w%:\"\xc3\xa9<>#{}|\\^~[]'`\x01/a-Z_.";
	struct buf buf;

	(void)state;
	buf_init(&buf, 200);
	assert_true(uri_escape_1738(&buf, str_of(user)));
	assert_true(str_eq(buf_str(&buf), STR("p%20w%25:%22%C3%A9%3C%3E%23%7B%7D%7C%5C%5E%7E%5B%5D%27%60"
					      "%01/a-Z_.")));
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_have_one_normal_form),
		cmocka_unit_test(authorities_are_taken_apart),
		cmocka_unit_test(a_full_buffer_is_reported),
		cmocka_unit_test(escaping_is_as_helpers_expect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "tests/support/h1_splits.h"

static const struct h1_subject subject = {.limits = {.head_bytes = 65536, .target_bytes = 8192}};

/* A GET with these field lines. */
static void read_fields(const char *lines, struct h1_reading *out)
{
	char bytes[2048];
	int len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);

	h1_read_whole(&subject, bytes, (size_t)len, out);
	assert_int_equal(out->verdict, H1_DONE);
}

static void each_name_has_its_id_in_any_case(void **state)
{
	(void)state;
	for (enum http_field_id id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
		struct str name = http_field_id_name(id);
		char other_case[64];

		assert_true(name.len > 0 && name.len < sizeof(other_case));
		assert_int_equal(http_field_id(name), id);
		for (size_t i = 0; i < name.len; i++)
			other_case[i] = (char)(name.at[i] ^ ((name.at[i] & 0x40) >> 1));
		assert_int_equal(http_field_id((struct str){other_case, name.len}), id);
		/* One byte off is another name, also where only bit 0x20 differs. */
		for (size_t i = 0; i < name.len; i++) {
			other_case[i] ^= name.at[i] & 0x40 ? 1 : 0x20;
			assert_int_not_equal(http_field_id((struct str){other_case, name.len}), id);
			other_case[i] ^= name.at[i] & 0x40 ? 1 : 0x20;
		}
	}
}

static void other_names_have_none(void **state)
{
	static const char *const names[] = {"",		 "X", "Hos", "Hostt", "Content_Length",
					    "X-Content", "An-Even-Longer-Name-Than-Any-Known-One"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(http_field_id(str_of(names[i])), FIELD_OTHER);
}

static void fields_are_found_by_id_and_by_name(void **state)
{
	struct h1_reading reading;
	const struct http_head *head = &reading.request.head;
	const struct http_field *field;

	(void)state;
	read_fields("x-a: 1\r\nVary: b\r\nX-A: 2\r\nVARY: c\r\n", &reading);
	assert_true(http_has(head, FIELD_VARY) && !http_has(head, FIELD_AGE));
	assert_null(http_find(head, FIELD_AGE));
	assert_null(http_value(head, FIELD_AGE).at);
	assert_true(str_eq(http_value(head, FIELD_VARY), STR("b")));
	field = http_find_next(head, FIELD_VARY, http_find(head, FIELD_VARY));
	assert_true(str_eq(http_field_value(head, field), STR("c")));
	assert_null(http_find_next(head, FIELD_VARY, field));
	field = http_find_name(head, STR("X-a"), NULL);
	assert_true(str_eq(http_field_value(head, field), STR("1")));
	field = http_find_name(head, STR("X-a"), field);
	assert_true(str_eq(http_field_value(head, field), STR("2")));
	assert_null(http_find_name(head, STR("X-a"), field));
	assert_non_null(http_find_name(head, STR("vary"), NULL));
	h1_reading_fini(&reading);
}

/* RFC 9110 §5.6.1, §5.6.4. */
static void lists_go_over_fields_and_respect_quotes(void **state)
{
	static const char *const expected[] = {"a", "b=\"x,\\\"y\"", "c d", "e", "\"open, f"};
	struct h1_reading reading;
	const struct http_head *head = &reading.request.head;
	struct http_list list = {0};
	struct str element;
	size_t n = 0;

	(void)state;
	read_fields("Cache-Control: a , ,b=\"x,\\\"y\",\r\nCache-Control:\r\n"
		    "Cache-Control: ,c d\r\nCache-Control: e,\"open, f\r\n",
		    &reading);
	while (http_list_next(head, FIELD_CACHE_CONTROL, &list, &element)) {
		assert_true(n < COUNT(expected));
		assert_true(str_eq(element, str_of(expected[n++])));
	}
	assert_int_equal(n, COUNT(expected));
	assert_true(http_list_has(head, FIELD_CACHE_CONTROL, STR("E")));
	assert_false(http_list_has(head, FIELD_CACHE_CONTROL, STR("c")));
	assert_false(http_list_has(head, FIELD_VARY, STR("a")));
	h1_reading_fini(&reading);
}

/* RFC 9110 §7.6.1. */
static void connection_strips_only_what_is_not_protected(void **state)
{
	static const struct {
		const char *name;
		bool is_hop_by_hop;
	} cases[] = {
		{"Connection", true},	      {"Keep-Alive", true}, {"TE", true},
		{"Upgrade", true},	      {"Trailer", true},    {"Proxy-Authorization", true},
		{"Proxy-Connection", true},   {"X-Named", true},    {"Authorization", false},
		{"Cookie", false},	      {"Host", false},	    {"Cache-Control", false},
		{"X-Forwarded-For", false},   {"X-Other", false},   {"HTTP2-Settings", true},
	};
	struct h1_reading reading;
	const struct http_head *head = &reading.request.head;

	(void)state;
	read_fields("Connection: x-named, Authorization, cookie, Cache-Control, X-Forwarded-For\r\n"
		    "Keep-Alive: 1\r\nTE: trailers\r\nUpgrade: x\r\nTrailer: y\r\n"
		    "Proxy-Authorization: z\r\nProxy-Connection: close\r\nX-Named: 1\r\n"
		    "Authorization: a\r\nCookie: b\r\nCache-Control: c\r\nX-Forwarded-For: d\r\n"
		    "X-Other: e\r\nHTTP2-Settings: f\r\n",
		    &reading);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct http_field *field = http_find_name(head, str_of(cases[i].name), NULL);

		if (!field || http_is_hop_by_hop(head, field) != cases[i].is_hop_by_hop)
			fail_msg("%s", cases[i].name);
	}
	h1_reading_fini(&reading);
}

/* RFC 9110 §9.2. */
static void methods_are_safe_or_idempotent(void **state)
{
	(void)state;
	assert_true(http_method_is_safe(HTTP_GET) && http_method_is_safe(HTTP_OPTIONS));
	assert_false(http_method_is_safe(HTTP_PUT) || http_method_is_safe(HTTP_OTHER));
	assert_true(http_method_is_idempotent(HTTP_PUT) && http_method_is_idempotent(HTTP_HEAD));
	assert_false(http_method_is_idempotent(HTTP_POST) || http_method_is_idempotent(HTTP_PATCH));
}

static void registered_codes_have_their_phrase(void **state)
{
	static const struct {
		int status;
		const char *reason;
	} cases[] = {
		{100, "Continue"},	  {200, "OK"},
		{226, "IM Used"},	  {308, "Permanent Redirect"},
		{404, "Not Found"},	  {431, "Request Header Fields Too Large"},
		{505, "HTTP Version Not Supported"}, {511, "Network Authentication Required"},
		{299, "Unknown"},	  {99, "Unknown"},
		{600, "Unknown"},	  {-200, "Unknown"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(http_reason(cases[i].status), cases[i].reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_has_its_id_in_any_case),
		cmocka_unit_test(other_names_have_none),
		cmocka_unit_test(fields_are_found_by_id_and_by_name),
		cmocka_unit_test(lists_go_over_fields_and_respect_quotes),
		cmocka_unit_test(connection_strips_only_what_is_not_protected),
		cmocka_unit_test(methods_are_safe_or_idempotent),
		cmocka_unit_test(registered_codes_have_their_phrase),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/vary.h"
#include "tests/support/messages.h"

static bool record_of(const char *vary, const char *lines, struct buf *record)
{
	char response_text[20000], request_text[20000];
	struct http_response response;
	struct http_request request;

	message_response(200, vary, response_text, sizeof(response_text), &response);
	message_request("GET", lines, request_text, sizeof(request_text), &request);
	return vary_record(&response, &request.head, record);
}

/* RFC 9111 §4.1 */
static void the_record_is_one_line_a_name(void **state)
{
	static const struct {
		const char *vary, *lines, *record; /* record NULL: no record can say it */
	} cases[] = {
		{"", "Accept: a\r\n", ""},
		{"Vary: Accept-Encoding\r\n", "Accept-Encoding:  gzip ,\tbr \r\n",
		 "accept-encoding: br,gzip\n"},
		{"Vary: Accept-Language\r\n", "Accept-Language: fi, EN; q=0.5\r\nAccept-Language: FI,,de\r\n",
		 "accept-language: de,en;q=0.5,fi\n"},
		{"Vary: Accept\r\n", "Accept: text/html, Image/*\r\n", "accept: text/html,Image/*\n"},
		{"Vary: B, a\r\nVary: b\r\n", "A: 1\r\nB: 2\r\nA: 3\r\n", "b: 2\na: 1,3\n"},
		{"Vary: X\r\n", "", "x\n"},
		{"Vary: X\r\n", "X:\r\n", "x: \n"},
		{"Vary: *\r\n", "", NULL},
		{"Vary: Accept, *\r\n", "", NULL},
		{"Vary: a b\r\n", "", NULL},
		{"Vary: a:b\r\n", "", NULL},
		{"Vary: ,\r\n", "", ""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf record;
		bool ok;

		buf_init(&record, 100000);
		ok = record_of(cases[i].vary, cases[i].lines, &record);
		if (ok != (cases[i].record != NULL) ||
		    !str_eq(buf_str(&record), str_of(ok ? cases[i].record : "")))
			fail_msg("%s: %.*s", cases[i].vary, STR_ARG(buf_str(&record)));
		buf_fini(&record);
	}
}

static void too_much_is_refused(void **state)
{
	char vary[10000] = "Vary: a", lines[10000] = "Long: ";
	struct buf record;

	(void)state;
	buf_init(&record, 100000);
	for (int i = 1; i <= VARY_MAX_NAMES; i++)
		sprintf(vary + strlen(vary), ",n%d", i);
	strcat(vary, "\r\n");
	assert_false(record_of(vary, "", &record));
	memset(lines + 6, 'x', VARY_MAX_BYTES);
	strcat(lines, "\r\n");
	assert_false(record_of("Vary: long\r\n", lines, &record));
	assert_int_equal(record.len, 0);
	buf_fini(&record);
}

static void only_requests_that_agree_match(void **state)
{
	static const struct {
		const char *record, *lines;
		bool matches;
	} cases[] = {
		{"", "", true},
		{"", "Accept: a\r\n", true},
		{"accept: a,b\n", "Accept: a,b\r\n", true},
		{"accept: a,b\n", "ACCEPT: a , b\r\n", true},
		{"accept: a,b\n", "Accept: a\r\nAccept: b\r\n", true},
		{"accept: a,b\n", "Accept: a\r\n", false},
		{"accept: a,b\n", "Accept: a,b,\r\n", false},
		{"accept: a,b\n", "Accept: a,bc\r\n", false},
		{"accept: a,b\n", "Accept: b,a\r\n", false},
		{"accept: a,b\n", "", false},
		{"accept\n", "", true},
		{"accept\n", "Accept:\r\n", false},
		{"accept: \n", "Accept:\r\n", true},
		{"accept: \n", "", false},
		{"accept: a\nx\n", "Accept: a\r\n", true},
		{"accept-language: de,en\n", "Accept-Language: en , DE\r\n", true},
		{"accept-language: de,en\n", "Accept-Language: de\r\nAccept-Language: en\r\n", true},
		{"accept-language: de,en\n", "Accept-Language: de\r\n", false},
		{"accept-language: de,en\n", "Accept-Language: de, en;q=0.5\r\n", false},
		{"accept-encoding: \n", "Accept-Encoding: ,\r\n", true},
		{"accept-encoding\n", "Accept-Encoding: gzip\r\n", false},
		{"accept: a\nx\n", "Accept: a\r\nX: 1\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_request request;

		message_request("GET", cases[i].lines, text, sizeof(text), &request);
		if (vary_matches(str_of(cases[i].record), &request.head) != cases[i].matches)
			fail_msg("%s against %s", cases[i].record, cases[i].lines);
	}
}

static void what_was_recorded_matches_its_own_request(void **state)
{
	static const char *const lines[] = {
		"", "A:\r\n", "A: ,\r\n", "A: x\r\nA:\r\n", "A: \"q, r\" ,s\r\n", "B: 1\r\nA: 2\r\nB: 3\r\n",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		for (size_t k = 0; k < COUNT(lines); k++) {
			char text[1000];
			struct http_request request;
			struct buf record;

			buf_init(&record, 10000);
			assert_true(record_of("Vary: a, b\r\n", lines[i], &record));
			message_request("GET", lines[k], text, sizeof(text), &request);
			if (vary_matches(buf_str(&record), &request.head) != (i == k))
				fail_msg("%zu %zu", i, k);
			buf_fini(&record);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_is_one_line_a_name),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(only_requests_that_agree_match),
		cmocka_unit_test(what_was_recorded_matches_its_own_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

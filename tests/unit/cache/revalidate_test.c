/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/object.h"
#include "cache/revalidate.h"
#include "cache/targeted_control.h"
#include "tests/support/messages.h"

#define NOW INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define MADE "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 07:49:37 GMT"
#define LONG_BEFORE "Sun, 06 Nov 1994 06:49:37 GMT"
#define LATER "Sun, 06 Nov 1994 09:49:37 GMT"

static const struct control_reader US = {.surrogate_id = {"us", 2}};

/* As it was stored: a status line and lines. */
static struct object *stored(int status, const char *lines)
{
	char text[2000], head[2000];
	struct http_response response;
	const struct freshness_arrival arrival = {&response, &US, NOW, NOW};
	struct object_head object_head = {.status = status, .url = STR("http://www.example/")};

	message_response(status, lines, text, sizeof(text), &response);
	freshness_facts_read(&arrival, &object_head.facts);
	snprintf(head, sizeof(head), "HTTP/1.1 %d OK\r\n%s", status, lines);
	object_head.head = str_of(head);
	return object_create_whole(&object_head, STR("body"));
}

enum { WHOLE = REVALIDATE_SEND_WHOLE, NOT_MODIFIED = REVALIDATE_SEND_304, FAILED = REVALIDATE_SEND_412 };

#define TAGGED "Date: " MADE "\r\nETag: \"a\"\r\nLast-Modified: " BEFORE "\r\n"

/* RFC 9110 §13.2.2 */
static void conditions_are_judged_in_order(void **state)
{
	static const struct {
		int status;
		const char *stored, *conditions;
		int answer;
	} cases[] = {
		{200, TAGGED, "", WHOLE},
		{200, TAGGED, "If-None-Match: \"a\"\r\n", NOT_MODIFIED},
		{200, TAGGED, "If-None-Match: W/\"a\"\r\n", NOT_MODIFIED}, /* weak comparison */
		{200, TAGGED, "If-None-Match: \"x\", \"a,b\" ,\"a\"\r\n", NOT_MODIFIED},
		{200, TAGGED, "If-None-Match: \"x,a\", a, \"A\"\r\n", WHOLE},
		{200, TAGGED, "If-None-Match: *\r\n", NOT_MODIFIED},
		{200, "ETag: W/\"a\"\r\n", "If-None-Match: \"a\"\r\n", NOT_MODIFIED},
		{200, "", "If-None-Match: \"a\"\r\n", WHOLE},
		{200, TAGGED, "If-None-Match: \"x\"\r\nIf-Modified-Since: " LATER "\r\n", WHOLE},
		{200, TAGGED, "If-Modified-Since: " BEFORE "\r\n", NOT_MODIFIED},
		{200, TAGGED, "If-Modified-Since: " LONG_BEFORE "\r\n", WHOLE},
		{200, TAGGED, "If-Modified-Since: rubbish\r\n", WHOLE},
		{200, TAGGED, "If-Modified-Since: " LATER "\r\nIf-Modified-Since: " LATER "\r\n", WHOLE},
		{200, "Date: " MADE "\r\n", "If-Modified-Since: " MADE "\r\n", NOT_MODIFIED},
		{200, "Date: " MADE "\r\n", "If-Modified-Since: " BEFORE "\r\n", WHOLE},
		{200, TAGGED, "If-Match: \"a\"\r\n", WHOLE},
		{200, TAGGED, "If-Match: \"x\", \"a\"\r\n", WHOLE},
		{200, TAGGED, "If-Match: *\r\n", WHOLE},
		{200, TAGGED, "If-Match: \"x\"\r\n", FAILED},
		{200, TAGGED, "If-Match: W/\"a\"\r\n", FAILED}, /* strong comparison */
		{200, "ETag: W/\"a\"\r\n", "If-Match: \"a\"\r\n", FAILED},
		{200, TAGGED, "If-Match: \"x\"\r\nIf-None-Match: \"a\"\r\n", FAILED},
		{200, TAGGED, "If-Match: \"a\"\r\nIf-None-Match: \"a\"\r\n", NOT_MODIFIED},
		{200, TAGGED, "If-Unmodified-Since: " BEFORE "\r\n", WHOLE},
		{200, TAGGED, "If-Unmodified-Since: " LONG_BEFORE "\r\n", FAILED},
		{200, TAGGED, "If-Match: \"a\"\r\nIf-Unmodified-Since: " LONG_BEFORE "\r\n", WHOLE},
		{200, "ETag: \"a\"\r\n", "If-Unmodified-Since: " LONG_BEFORE "\r\n", WHOLE},
		{404, TAGGED, "If-None-Match: \"a\"\r\n", WHOLE},
		{404, TAGGED, "If-Match: \"x\"\r\n", WHOLE},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_request request;
		struct object *object = stored(cases[i].status, cases[i].stored);
		int answer;

		message_request("GET", cases[i].conditions, text, sizeof(text), &request);
		answer = revalidate_answer(&request, object);
		if (answer != cases[i].answer)
			fail_msg("%s on %s: %d", cases[i].conditions, cases[i].stored, answer);
		object_unref(object);
	}
}

/* RFC 9110 §13.1.5 */
static void if_range_compares_strongly(void **state)
{
	static const struct {
		const char *stored, *line;
		bool holds;
	} cases[] = {
		{TAGGED, "", true},
		{TAGGED, "If-Range: \"a\"\r\n", true},
		{TAGGED, "If-Range: \"b\"\r\n", false},
		{TAGGED, "If-Range: W/\"a\"\r\n", false},
		{"ETag: W/\"a\"\r\n", "If-Range: W/\"a\"\r\n", false},
		{TAGGED, "If-Range: " BEFORE "\r\n", true},
		{TAGGED, "If-Range: " LATER "\r\n", false},
		{"Date: " MADE "\r\nLast-Modified: " MADE "\r\n", "If-Range: " MADE "\r\n", false},
		{TAGGED, "If-Range: rubbish\r\n", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000];
		struct http_request request;
		struct object *object = stored(200, cases[i].stored);

		message_request("GET", cases[i].line, text, sizeof(text), &request);
		if (revalidate_range_holds(&request, object) != cases[i].holds)
			fail_msg("%s", cases[i].line);
		object_unref(object);
	}
}

static void the_origin_is_asked_with_what_is_stored(void **state)
{
	static const struct {
		const char *stored, *fields;
	} cases[] = {
		{TAGGED, "If-Modified-Since: " BEFORE "\r\nIf-None-Match: \"a\"\r\n"},
		{"Date: " MADE "\r\nETag: W/\"b\"\r\n",
		 "If-Modified-Since: " MADE "\r\nIf-None-Match: W/\"b\"\r\n"},
		{"Date: " BEFORE "\r\n", "If-Modified-Since: " BEFORE "\r\n"},
		{"Date: " BEFORE "\r\nETag: rubbish\r\n", "If-Modified-Since: " BEFORE "\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct object *object = stored(200, cases[i].stored);
		struct buf fields;

		buf_init(&fields, 1000);
		revalidate_request_fields(object, NULL, 0, &fields);
		if (!str_eq(buf_str(&fields), str_of(cases[i].fields)))
			fail_msg("%s: %.*s", cases[i].stored, STR_ARG(buf_str(&fields)));
		buf_fini(&fields);
		object_unref(object);
	}
}

/* RFC 9111 §3.2, §4.3.4 */
static void a_304_renews_the_head(void **state)
{
	static const struct {
		const char *what, *stored, *fields;
		int verdict;
		const char *head; /* without the status line; NULL: not merged */
	} cases[] = {
		{"fields are replaced, others stay",
		 "Date: " BEFORE "\r\nETag: \"a\"\r\nX-One: 1\r\nX-Two: 2\r\n",
		 "Date: " MADE "\r\nETag: \"a\"\r\nX-Two: 3\r\nX-Three: 4\r\n", REVALIDATE_MERGED,
		 "X-One: 1\r\nDate: " MADE "\r\nETag: \"a\"\r\nX-Two: 3\r\nX-Three: 4\r\n"},
		{"what describes the bytes stays",
		 "Date: " BEFORE "\r\nContent-Length: 4\r\nContent-Type: text/plain\r\nVary: A\r\n"
		 "Content-Encoding: br\r\n",
		 "Date: " MADE "\r\nContent-Length: 9\r\nContent-Type: x/y\r\nVary: B\r\n"
		 "Content-Encoding: gzip\r\n",
		 REVALIDATE_MERGED,
		 "Content-Length: 4\r\nVary: A\r\nContent-Encoding: br\r\nDate: " MADE
		 "\r\nContent-Type: x/y\r\n"},
		{"what was not stored of it does not come in by the 304",
		 "Date: " BEFORE "\r\nCache-Control: no-cache=\"X-One\"\r\n",
		 "Date: " MADE "\r\nX-One: 1\r\nX-Two: 2\r\n", REVALIDATE_MERGED,
		 "Cache-Control: no-cache=\"X-One\"\r\nDate: " MADE "\r\nX-Two: 2\r\n"},
		{"hop-by-hop and once-only fields are not taken over", "Date: " BEFORE "\r\n",
		 "Date: " MADE "\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a=b\r\nAge: 5\r\n",
		 REVALIDATE_MERGED, "Date: " MADE "\r\n"},
		{"1xx warnings go", "Date: " BEFORE "\r\nWarning: 110 x \"y\"\r\nWarning: 214 x \"y\"\r\n",
		 "Date: " MADE "\r\n", REVALIDATE_MERGED,
		 "Warning: 214 x \"y\"\r\nDate: " MADE "\r\n"},
		{"without a Date, the arrival", "Date: " BEFORE "\r\n", "", REVALIDATE_MERGED,
		 "Date: " MADE "\r\n"},
		{"another ETag", "ETag: \"a\"\r\n", "ETag: \"b\"\r\n", REVALIDATE_MISMATCH, NULL},
		{"an ETag where there was none", "X: 1\r\n", "Last-Modified: " MADE "\r\nETag: \"b\"\r\n",
		 REVALIDATE_MISMATCH, NULL},
		{"a weak form of the same", "Date: " BEFORE "\r\nETag: \"a\"\r\n",
		 "Date: " MADE "\r\nETag: W/\"a\"\r\n", REVALIDATE_MERGED,
		 "Date: " MADE "\r\nETag: W/\"a\"\r\n"},
		{"older", "Date: " MADE "\r\n", "Date: " BEFORE "\r\n", REVALIDATE_IGNORED, NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[1000], expected[1000];
		struct http_response response;
		const struct freshness_arrival arrival = {&response, &US, NOW, NOW};
		struct object *object = stored(200, cases[i].stored);
		struct freshness_facts facts = {.arrived_s = -1};
		struct buf head;
		int verdict;

		buf_init(&head, 10000);
		message_response(304, cases[i].fields, text, sizeof(text), &response);
		verdict = revalidate_merge(object, &arrival, &head, &facts);
		if (verdict != cases[i].verdict)
			fail_msg("%s: %d", cases[i].what, verdict);
		snprintf(expected, sizeof(expected), "HTTP/1.1 200 OK\r\n%s",
			 cases[i].head ? cases[i].head : "");
		if (!str_eq(buf_str(&head), cases[i].head ? str_of(expected) : STR("")))
			fail_msg("%s: %.*s", cases[i].what, STR_ARG(buf_str(&head)));
		assert_int_equal(facts.arrived_s, cases[i].head ? NOW : -1);
		buf_fini(&head);
		object_unref(object);
	}
}

static void a_304_renews_the_times(void **state)
{
	struct object *object = stored(200, "Date: " BEFORE "\r\nCache-Control: max-age=60\r\n");
	struct http_response response;
	const struct freshness_arrival arrival = {&response, &US, NOW, NOW};
	struct freshness_facts facts;
	struct buf head;
	char text[1000];

	(void)state;
	buf_init(&head, 10000);
	message_response(304, "Date: " MADE "\r\nAge: 10\r\n", text, sizeof(text), &response);
	assert_int_equal(revalidate_merge(object, &arrival, &head, &facts), REVALIDATE_MERGED);
	assert_int_equal(facts.expires_s - NOW, 50);
	assert_int_equal(freshness_age_s(&facts, NOW), 10);
	buf_fini(&head);
	object_unref(object);
}

/* RFC 9110 §15.4.5 */
static void a_304_to_a_client_carries_what_guides_its_cache(void **state)
{
	struct object *object = stored(200, TAGGED "Content-Type: text/plain\r\nContent-Length: 4\r\n"
						  "Vary: A\r\nCache-Control: max-age=9\r\nX-Own: 1\r\n"
						  "Access-Control-Allow-Origin: *\r\n");
	struct buf head;

	(void)state;
	buf_init(&head, 10000);
	revalidate_304_head(object, &head);
	if (!str_eq(buf_str(&head),
		    STR("HTTP/1.1 304 Not Modified\r\n" TAGGED "Vary: A\r\nCache-Control: max-age=9\r\n"
			"Access-Control-Allow-Origin: *\r\n")))
		fail_msg("%.*s", STR_ARG(buf_str(&head)));
	buf_fini(&head);
	object_unref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_judged_in_order),
		cmocka_unit_test(if_range_compares_strongly),
		cmocka_unit_test(the_origin_is_asked_with_what_is_stored),
		cmocka_unit_test(a_304_renews_the_head),
		cmocka_unit_test(a_304_renews_the_times),
		cmocka_unit_test(a_304_to_a_client_carries_what_guides_its_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

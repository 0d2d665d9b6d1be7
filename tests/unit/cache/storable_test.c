/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/storable.h"
#include "cache/targeted_control.h"
#include "tests/support/messages.h"

#define NOW INT64_C(784111777)
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define LASTMOD "Last-Modified: Sun, 06 Nov 1993 08:49:37 GMT\r\n"
#define FRESH "Cache-Control: max-age=600\r\n"

static const struct control_reader US = {.surrogate_id = {"us", 2}};
static const struct refresh_rule_values default_rule = {0, 259200, 20, 0, 0};
static const struct refresh_rule_values lax_rule = {
	0, 259200, 20, REFRESH_IGNORE_NO_STORE | REFRESH_IGNORE_PRIVATE | REFRESH_STORE_STALE, 0};
static const struct storable_policy plain = {
	.rule = &default_rule, .minimum_expiry_s = 60, .max_body_bytes = 1000};
static const struct storable_policy negative = {
	.rule = &default_rule, .minimum_expiry_s = 60, .negative_ttl_s = 30};
static const struct storable_policy lax = {
	.rule = &lax_rule, .minimum_expiry_s = 60, .min_body_bytes = 10, .ignore_cc = true};
static const struct storable_policy own_location = {
	.rule = &default_rule, .minimum_expiry_s = 60, .names_target = true};
static const struct storable_policy parts = {
	.rule = &default_rule, .minimum_expiry_s = 60, .takes_parts = true};
static const struct storable_policy with_login = {
	.rule = &default_rule, .minimum_expiry_s = 60, .has_login = true};
static const struct storable_policy offline = {
	.rule = &default_rule, .minimum_expiry_s = 60, .is_offline = true};

enum { NO = STORABLE_NO, YES = STORABLE_YES, NEGATIVE = STORABLE_NEGATIVE };

/* RFC 9111 §3 and Squid's table of statuses */
static void each_rule_decides_its_case(void **state)
{
	static const struct {
		const char *method, *wishes;
		int status;
		const char *lines;
		const struct storable_policy *policy;
		int verdict;
	} cases[] = {
		{"GET", "", 200, DATE FRESH, &plain, YES},
		{"HEAD", "", 200, DATE FRESH, &plain, NO},
		{"POST", "Content-Length: 0\r\n", 200, DATE FRESH, &plain, NO},
		/* RFC 9110 §9.3.3 */
		{"POST", "Content-Length: 5\r\n", 200, DATE FRESH, &own_location, YES},
		{"POST", "Content-Length: 5\r\n", 200, DATE LASTMOD, &own_location, NO},
		{"POST", "Content-Length: 5\r\n", 201, DATE FRESH, &own_location, NO},
		{"POST", "Cache-Control: no-store\r\n", 200, DATE FRESH, &own_location, NO},
		{"PUT", "Content-Length: 5\r\n", 200, DATE FRESH, &own_location, NO},
		{"GET", "Cache-Control: no-store\r\n", 200, DATE FRESH, &plain, NO},
		{"GET", "Cache-Control: no-store\r\n", 200, DATE FRESH, &lax, YES}, /* ignore-cc */
		{"GET", "", 200, DATE "Cache-Control: max-age=600, No-Store\r\n", &plain, NO},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, no-store\r\n", &lax, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, no-store, must-understand\r\n", &plain,
		 YES},
		{"GET", "", 299, DATE "Cache-Control: max-age=600, no-store, must-understand\r\n", &plain,
		 NO},
		{"GET", "", 299, DATE FRESH, &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, private\r\n", &plain, NO},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, private=\"x\"\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, private=\"\"\r\n", &plain, NO},
		{"GET", "", 200, DATE "ETag: \"x\"\r\nCache-Control: max-age=600, private\r\n", &lax, YES},
		{"GET", "", 200, DATE "ETag: \"x\"\r\nCache-Control: no-cache\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: no-cache, max-age=600\r\n", &plain, NO},
		{"GET", "Authorization: Basic eDp5\r\n", 200, DATE FRESH, &plain, NO},
		{"GET", "Authorization: Basic eDp5\r\n", 200,
		 DATE "Cache-Control: max-age=600, public\r\n", &plain, YES},
		{"GET", "Authorization: Basic eDp5\r\n", 200, DATE "Cache-Control: s-maxage=600\r\n",
		 &plain, YES},
		{"GET", "Authorization: Basic eDp5\r\n", 200,
		 DATE "Cache-Control: max-age=600, must-revalidate\r\n", &plain, YES},
		{"GET", "", 200, DATE FRESH, &with_login, NO},
		{"GET", "", 200, DATE "Cache-Control: max-age=600, public\r\n", &with_login, YES},
		{"GET", "", 200, DATE, &plain, NO},
		{"GET", "", 200, DATE, &offline, YES},
		{"GET", "Cookie: a=b\r\n", 200, DATE FRESH "Set-Cookie: c=d\r\n", &plain, YES},
		{"GET", "", 200, DATE FRESH "Vary: Accept, *\r\n", &plain, NO},
		{"GET", "", 200, DATE FRESH "Content-Type: Multipart/X-Mixed-Replace;b=x\r\n", &plain, NO},
		{"GET", "", 200, DATE FRESH "Content-Range: bytes 0-1/2\r\n", &plain, NO},
		{"GET", "", 200, DATE FRESH "Content-Range: all of it\r\n", &plain, YES},
		{"GET", "", 416, DATE FRESH "Content-Range: bytes */2\r\n", &plain, NO},
		{"GET", "", 200, DATE FRESH "Content-Length: 1001\r\n", &plain, NO},
		{"GET", "", 200, DATE FRESH "Content-Length: 1000\r\n", &plain, YES},
		{"GET", "", 200, DATE FRESH "Content-Length: 9\r\n", &lax, NO},
		/* fresh long enough, or a validator, or store-stale */
		{"GET", "", 200, DATE, &plain, NO},
		{"GET", "", 200, DATE, &lax, YES},
		{"GET", "", 200, DATE LASTMOD, &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=60\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=61\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=1\r\nETag: W/\"x\"\r\n", &plain, YES},
		{"GET", "", 200, DATE "ETag: \"x\"\r\nContent-Length: 0\r\n", &plain, NO},
		{"GET", "", 301, DATE LASTMOD, &plain, YES},
		{"GET", "", 302, DATE LASTMOD, &plain, NO},
		{"GET", "", 302, DATE FRESH, &plain, YES},
		{"GET", "", 307, DATE "Cache-Control: max-age=0\r\n", &plain, NO},
		{"GET", "", 404, DATE, &plain, NO},
		{"GET", "", 404, DATE, &negative, NEGATIVE},
		{"GET", "", 404, DATE FRESH, &negative, YES}, /* RFC 9111 §3; Squid: negative_ttl alone */
		{"GET", "", 404, DATE "Cache-Control: max-age=0\r\n", &negative, NO},
		{"GET", "", 404, DATE LASTMOD, &plain, YES},
		{"GET", "", 403, DATE LASTMOD, &plain, NO},
		{"GET", "", 503, DATE LASTMOD, &plain, NO},
		{"GET", "", 503, DATE LASTMOD, &negative, NEGATIVE},
		{"GET", "", 503, DATE LASTMOD "Cache-Control: public\r\n", &plain, YES},
		{"GET", "", 599, DATE LASTMOD "Cache-Control: public\r\n", &plain, YES},
		{"GET", "", 599, DATE "Cache-Control: public\r\n", &plain, NO},
		{"GET", "", 200, DATE "Cache-Control: max-age=0, stale-if-error=60\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=0, stale-while-revalidate=60\r\n", &plain, YES},
		{"GET", "", 200, DATE "Cache-Control: max-age=0, stale-if-error=600\r\n", &plain, YES},
		{"GET", "", 200, DATE "Age: 9\r\nCache-Control: max-age=1, stale-if-error=8\r\n", &plain, NO},
		{"GET", "", 200, DATE "Cache-Control: s-maxage=0, stale-if-error=60\r\n", &plain, NO},
		{"GET", "", 503, DATE, &negative, NEGATIVE},
		{"GET", "", 206, DATE FRESH, &plain, NO},
		{"GET", "", 206, DATE FRESH "Content-Range: bytes 0-1/2\r\n", &parts, YES},
		{"GET", "", 206, DATE "Cache-Control: private\r\n", &parts, NO},
		{"GET", "", 200, DATE FRESH "Content-Range: bytes 0-1/2\r\n", &parts, NO},
		{"GET", "", 304, DATE FRESH, &plain, NO},
		{"GET", "", 401, DATE FRESH, &plain, NO},
		{"GET", "", 429, DATE FRESH, &negative, NO},
		{"GET", "", 103, DATE FRESH, &plain, NO},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char request_text[1000], response_text[1000];
		struct http_request request;
		struct http_response response;
		struct freshness_facts facts;
		struct storable_policy policy;
		const char *reason = NULL;
		int verdict;

		message_request(cases[i].method, cases[i].wishes, request_text, sizeof(request_text),
			      &request);
		message_response(cases[i].status, cases[i].lines, response_text, sizeof(response_text),
			       &response);
		policy = *cases[i].policy;
		policy.control = freshness_facts_read(
			&(struct freshness_arrival){&response, &US, NOW, NOW}, &facts);
		verdict = storable_decide(&request, &response, &facts, &policy, &reason);
		if (verdict != cases[i].verdict || !reason)
			fail_msg("%s %s %d %s: %d (%s)", cases[i].method, cases[i].wishes,
				 cases[i].status, cases[i].lines, verdict, reason);
	}
}

static void a_negative_entry_lives_for_its_ttl(void **state)
{
	struct freshness_facts facts = {.date_s = NOW - 100, .arrived_s = NOW};

	(void)state;
	storable_make_negative(&facts, 30);
	assert_int_equal(freshness_left_s(&facts, &default_rule, NOW), 30);
	assert_true(facts.flags & FACT_NEGATIVE);
}

/* RFC 9111 §3.1, §5.2.2.4, §5.2.2.7 */
static void some_fields_are_for_the_first_client_only(void **state)
{
	static const char lines[] = "Age: 5\r\nSet-Cookie: a=b\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
				    "Cache-Control: private=\"X-One, x-two\" , no-cache=X-Three\r\n"
				    "X-One: 1\r\nX-Two: 2\r\nX-Other: 3\r\nTransfer-Encoding: chunked\r\n";
	static const char *const kept[] = {"Cache-Control", "X-Other"};
	char text[1000];
	struct http_response response;
	size_t n = 0;

	(void)state;
	message_response(200, lines, text, sizeof(text), &response);
	for (unsigned i = 0; i < response.head.nfields; i++) {
		const struct http_field *field = &response.head.fields[i];
		struct str name = http_field_name(&response.head, field);

		if (!storable_keeps_field(&response.head, field, &US))
			continue;
		if (n >= COUNT(kept) || !str_eq(name, str_of(kept[n++])))
			fail_msg("kept %.*s", STR_ARG(name));
	}
	assert_int_equal(n, COUNT(kept));
}

static void some_statuses_displace_what_is_stored(void **state)
{
	(void)state;
	assert_true(storable_status_displaces(404));
	assert_true(storable_status_displaces(302));
	assert_false(storable_status_displaces(500));
	assert_false(storable_status_displaces(304));
	assert_false(storable_status_displaces(999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_decides_its_case),
		cmocka_unit_test(a_negative_entry_lives_for_its_ttl),
		cmocka_unit_test(some_fields_are_for_the_first_client_only),
		cmocka_unit_test(some_statuses_displace_what_is_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

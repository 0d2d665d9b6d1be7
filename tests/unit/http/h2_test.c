/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/2's fields as a head of HTTP/1, and back. What nghttp2 refuses before is refused here too. */
#include "lib/http/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/check.h"

enum { MAX_BYTES = 4096 };

/* "name=value" each, the name up to the first '=' behind its first byte. */
static enum h2_verdict add_all(struct h2_request *request, const char *const *fields)
{
	enum h2_verdict verdict = H2_OK;

	h2_request_begin(request, MAX_BYTES);
	for (; *fields && verdict != H2_MALFORMED; fields++) {
		struct str field = str_of(*fields);
		size_t at = str_find_char(field, '=');

		verdict = h2_request_add(request, str_first(field, at), str_from(field, at + 1));
	}
	return verdict == H2_MALFORMED ? verdict : h2_request_end(request);
}

#define GET ":method=GET", ":scheme=https", ":path=/a?b"
#define WEBSOCKET ":method=CONNECT", ":protocol=websocket", ":scheme=https", ":path=/a?b"

static void writes_the_head_that_http_1_would_send(void **state)
{
	static const struct {
		const char *fields[8];
		const char *head;
	} cases[] = {
		{{GET, ":authority=a.example"},
		 "GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n"},
		{{":authority=a", ":path=*", ":scheme=http", ":method=OPTIONS", "x=y"},
		 "OPTIONS * HTTP/1.1\r\nHost: a\r\nx: y\r\n\r\n"},
		{{GET, "host=a.example"}, "GET /a?b HTTP/1.1\r\nhost: a.example\r\n\r\n"},
		{{GET, ":authority=a.example", "host=A.example", "te=trailers"},
		 "GET /a?b HTTP/1.1\r\nHost: a.example\r\nte: trailers\r\n\r\n"},
		{{GET, ":authority=a", "cookie=a=1", "x=", "cookie=b=2"},
		 "GET /a?b HTTP/1.1\r\nHost: a\r\nx: \r\ncookie: a=1; b=2\r\n\r\n"},
		{{":method=CONNECT", ":authority=a:1"}, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"},
		/* RFC 8441 §5 */
		{{WEBSOCKET, ":authority=a", "x=y"},
		 "GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		 "x: y\r\n\r\n"},
	};
	struct h2_request request = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(add_all(&request, cases[i].fields), H2_OK);
		assert_int_equal(request.text.len, strlen(cases[i].head));
		assert_memory_equal(request.text.at, cases[i].head, request.text.len);
	}
	h2_request_fini(&request);
}

/* RFC 9113 §8.2, §8.3. */
static void refuses_what_is_malformed(void **state)
{
	static const char *const cases[][8] = {
		{":method=GET", ":scheme=https"},
		{":method=GET", ":path=/"},
		{":scheme=https", ":path=/"},
		{GET, ":path=/"},
		{GET, ":status=200"},
		{GET, "x=y", ":authority=a"},
		{GET, "X=y"},
		{GET, "x y=z"},
		{GET, "x\r\ny=z"},
		{GET, "x=a\r\nb: c"},
		{GET, "x=a\nb"},
		{GET, "x= a"},
		{GET, "x=a\t"},
		{GET, "x=a\x7f"},
		{GET, "connection=close"},
		{GET, "keep-alive=1"},
		{GET, "proxy-connection=close"},
		{GET, "transfer-encoding=chunked"},
		{GET, "upgrade=h2c"},
		{GET, "te=gzip"},
		{GET, ":authority=a", "host=b"},
		{GET, ":authority=a@b"},
		{GET, ":authority=a b"},
		{":method=GET /", ":scheme=https", ":path=/"},
		{":method=GET", ":scheme=https", ":path=/ HTTP/1.1\r\nx:"},
		{":method=GET", ":scheme=https", ":path=/a b"},
		{":method=GET", ":scheme=https", ":path=a"},
		{":method=GET", ":scheme=https", ":path="},
		{":method=GET", ":scheme=http://x/y?", ":path=/"},
		{":method=CONNECT", ":scheme=https", ":path=/", ":authority=a:1"},
		{":method=CONNECT"},
		{GET, ":authority=a", ":protocol=websocket"},
		{WEBSOCKET},
		{WEBSOCKET, ":authority=a", "upgrade=h2c"},
		{":method=CONNECT", ":protocol=websocket", ":authority=a"},
		{":method=CONNECT", ":protocol=websocket", ":authority=a", ":path=/"},
		{":method=CONNECT", ":protocol=a, b", ":authority=a", ":path=/", ":scheme=https"},
		{":method=CONNECT", ":protocol=", ":authority=a", ":path=/", ":scheme=https"},
		{NULL},
	};
	struct h2_request request = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (add_all(&request, cases[i]) != H2_MALFORMED)
			fail_msg("case %zu", i);
	h2_request_fini(&request);
}

static void counts_on_when_it_is_too_large(void **state)
{
	struct h2_request request = {0};
	const char *const fields[] = {GET, NULL};
	char value[MAX_BYTES];

	(void)state;
	memset(value, 'v', sizeof(value));
	assert_int_equal(add_all(&request, fields), H2_OK);
	h2_request_begin(&request, MAX_BYTES);
	h2_request_add(&request, STR(":method"), STR("GET"));
	h2_request_add(&request, STR(":scheme"), STR("http"));
	h2_request_add(&request, STR(":path"), STR("/"));
	for (int i = 0; i < 10; i++)
		assert_int_equal(h2_request_add(&request, STR("x"), (struct str){value, sizeof(value)}),
		                 H2_TOO_LARGE);
	assert_int_equal(h2_request_add(&request, STR("y"), STR("x")), H2_TOO_LARGE);
	assert_int_equal(h2_request_add(&request, STR("connection"), STR("x")), H2_MALFORMED);
	assert_int_equal(h2_request_add(&request, STR("X"), STR("x")), H2_MALFORMED);
	assert_true(request.list_bytes > 10 * sizeof(value));
	assert_int_equal(h2_request_end(&request), H2_TOO_LARGE);
	assert_true(request.text.len <= MAX_BYTES);
	h2_request_fini(&request);
}

static void trailers_frame_nothing(void **state)
{
	(void)state;
	assert_true(h2_may_be_trailer(STR("x-sum")));
	assert_false(h2_may_be_trailer(STR("content-length")));
	assert_false(h2_may_be_trailer(STR("host")));
	assert_false(h2_may_be_trailer(STR("transfer-encoding")));
	assert_false(h2_may_be_trailer(STR(":path")));
	assert_false(h2_may_be_trailer(STR("X")));
	assert_false(h2_may_be_trailer(STR("")));
}

static void cuts_a_response_into_fields(void **state)
{
	char text[] = "Content-Type:  text/a \r\nConnection: close\r\nX-A:\r\nTransfer-Encoding: chunked\r\n"
		      "Keep-Alive: 5\r\n\r\nbody: x\r\n";
	char *at = text, *end = text + sizeof(text) - 1;
	struct h2_field field;

	(void)state;
	assert_true(h2_response_next(&at, end, &field));
	assert_int_equal(field.name_len, 12);
	assert_memory_equal(field.name, "content-type", 12);
	assert_true(str_eq(field.value, STR("text/a")));
	assert_true(h2_response_next(&at, end, &field));
	assert_memory_equal(field.name, "x-a", 3);
	assert_int_equal(field.value.len, 0);
	assert_false(h2_response_next(&at, end, &field));
	assert_true(str_eq((struct str){at, (size_t)(end - at)}, STR("body: x\r\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_head_that_http_1_would_send),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(counts_on_when_it_is_too_large),
		cmocka_unit_test(trailers_frame_nothing),
		cmocka_unit_test(cuts_a_response_into_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

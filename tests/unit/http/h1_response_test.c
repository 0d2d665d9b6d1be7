/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile answers of origins. Each is read in one piece, in two (cut anywhere) and byte by byte,
 * and the verdict must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "tests/support/h1_splits.h"

static const struct h1_subject to_get = {
	.limits = {.head_bytes = 4096}, .is_response = true, .method = HTTP_GET};

struct row {
	const char *what;
	const char *bytes;
	size_t len;
	enum h1_error error; /* H1_OK: a good head */
};

#define ROW(what, bytes, error) {what, bytes, sizeof(bytes) - 1, error}
#define STATUS(what, line, error) ROW(what, line "\r\n\r\n", error)
#define FIELDS(what, lines, error) ROW(what, "HTTP/1.1 200 OK\r\n" lines "\r\n\r\n", error)

static void judge_all(const struct row *rows, size_t n)
{
	for (const struct row *row = rows; row < rows + n; row++) {
		struct h1_reading reading;

		h1_read_whole(&to_get, row->bytes, row->len, &reading);
		if (reading.verdict != (row->error == H1_OK ? H1_DONE : H1_ERROR) ||
		    reading.error != row->error)
			fail_msg("%s: verdict %d, error %d instead of %d", row->what,
				 reading.verdict, reading.error, row->error);
		if (!h1_is_split_proof(&to_get, row->bytes, row->len))
			fail_msg("%s: the verdict depends on the split", row->what);
		h1_reading_fini(&reading);
	}
}

/* RFC 9112 §4. */
static void status_lines_follow_the_grammar(void **state)
{
	static const struct row rows[] = {
		STATUS("usual", "HTTP/1.1 200 OK", H1_OK),
		STATUS("1.0", "HTTP/1.0 404 Not Found", H1_OK),
		STATUS("higher minor version", "HTTP/1.2 200 OK", H1_OK),
		STATUS("O23 no reason", "HTTP/1.1 200", H1_OK),
		STATUS("empty reason", "HTTP/1.1 200 ", H1_OK),
		STATUS("8-bit reason", "HTTP/1.1 200 P\xe4\xe4stetty", H1_OK),
		STATUS("O24 099", "HTTP/1.1 099 x", H1_BAD_STATUS_LINE),
		STATUS("O24 1000", "HTTP/1.1 1000 x", H1_BAD_STATUS_LINE),
		STATUS("O24 20", "HTTP/1.1 20", H1_BAD_STATUS_LINE),
		STATUS("O24 20 and a reason", "HTTP/1.1 20 OK", H1_BAD_STATUS_LINE),
		STATUS("O24 2 00", "HTTP/1.1 2 00", H1_BAD_STATUS_LINE),
		STATUS("O24 abc", "HTTP/1.1 abc OK", H1_BAD_STATUS_LINE),
		STATUS("600", "HTTP/1.1 600 x", H1_BAD_STATUS_LINE),
		STATUS("two spaces", "HTTP/1.1  200 OK", H1_BAD_STATUS_LINE),
		STATUS("TAB", "HTTP/1.1 200\tOK", H1_BAD_STATUS_LINE),
		STATUS("O25 ICY", "ICY 200 OK", H1_BAD_STATUS_LINE),
		STATUS("another case", "HtTP/1.1 200 OK", H1_BAD_STATUS_LINE),
		ROW("O25 HTTP/0.9", "<html>", H1_BAD_STATUS_LINE),
		STATUS("O26 HTTP/2.0", "HTTP/2.0 200 OK", H1_BAD_STATUS_LINE),
		STATUS("HTTP/2", "HTTP/2 200 OK", H1_BAD_STATUS_LINE),
		STATUS("NUL in the reason", "HTTP/1.1 200 O\0K", H1_BAD_STATUS_LINE),
		STATUS("bare CR in the reason", "HTTP/1.1 200 O\rK", H1_BAD_LINE_END),
		ROW("bare LF", "HTTP/1.1 200 OK\nA: b\n\n", H1_BAD_LINE_END),
		ROW("empty line before", "\r\nHTTP/1.1 200 OK\r\n\r\n", H1_BAD_STATUS_LINE),
		ROW("TLS alert", "\x15\x03\x01\x00\x02\x02\x46", H1_BAD_STATUS_LINE),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* RFC 9112 §5, §6.3. */
static void fields_and_framing_are_checked(void **state)
{
	static const struct row rows[] = {
		FIELDS("O9 two lengths", "Content-Length: 5\r\nContent-Length: 6",
		       H1_CONFLICTING_FRAMING),
		FIELDS("O10 equal lengths", "Content-Length: 5\r\nContent-Length: 05", H1_OK),
		FIELDS("O11 CL and TE", "Content-Length: 5\r\nTransfer-Encoding: chunked",
		       H1_CONFLICTING_FRAMING),
		FIELDS("O12 negative", "Content-Length: -5", H1_BAD_CONTENT_LENGTH),
		FIELDS("O12 +", "Content-Length: +5", H1_BAD_CONTENT_LENGTH),
		FIELDS("O12 hex", "Content-Length: 0x5", H1_BAD_CONTENT_LENGTH),
		FIELDS("O12 huge", "Content-Length: 99999999999999999999", H1_BAD_CONTENT_LENGTH),
		FIELDS("O12 empty", "Content-Length:", H1_BAD_CONTENT_LENGTH),
		FIELDS("O13 gzip, chunked", "Transfer-Encoding: gzip, chunked",
		       H1_UNSUPPORTED_TRANSFER_ENCODING),
		FIELDS("O13 unknown", "Transfer-Encoding: foo", H1_UNSUPPORTED_TRANSFER_ENCODING),
		ROW("O14 TE in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    H1_CONFLICTING_FRAMING),
		FIELDS("O27 NUL", "A: b\0c", H1_BAD_FIELD_VALUE),
		FIELDS("O27 CR", "A: b\rc: d", H1_BAD_LINE_END),
		FIELDS("O27 LF", "A: b\nc: d", H1_BAD_LINE_END),
		FIELDS("O28 obs-fold", "A: b\r\n \t c\r\n\td", H1_OK),
		FIELDS("obs-fold of blanks", "A: b\r\n  \r\nC: d", H1_OK),
		FIELDS("obs-fold of an empty value", "A:\r\n b", H1_OK),
		FIELDS("obs-fold with a control byte", "A: b\r\n \x01", H1_BAD_FIELD_VALUE),
		FIELDS("the first bad line of a fold counts", "A: b\r\n \x01\r\n c\n d",
		       H1_BAD_FIELD_VALUE),
		FIELDS("obs-fold ended by LF", "A: b\r\n c\nD: e", H1_BAD_LINE_END),
		FIELDS("obs-fold begun by LF", "A: b\n c", H1_BAD_LINE_END),
		FIELDS("obs-fold with a bare CR", "A: b\r\n c\rd", H1_BAD_LINE_END),
		ROW("obs-fold of the status line", "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
		    H1_FOLDED_FIELD),
		FIELDS("folded framing", "Content-Length:\r\n 5", H1_OK),
		FIELDS("folded digits", "Content-Length: 5\r\n 5", H1_BAD_CONTENT_LENGTH),
		FIELDS("O29 no colon", "A", H1_BAD_FIELD_NAME),
		FIELDS("O29 space before colon", "A : b", H1_BAD_FIELD_NAME),
		FIELDS("O30 two heads", "HTTP/1.1 200 OK\r\nA: b", H1_BAD_FIELD_NAME),
		FIELDS("O50 strip trick", "Connection: Set-Cookie, Content-Length\r\nSet-Cookie: a",
		       H1_OK),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* RFC 9112 §6.3, §9.3; RFC 9110 §6.4.1. */
static void method_status_and_fields_decide_about_the_body(void **state)
{
	static const struct {
		const char *bytes;
		enum http_method method;
		enum http_body body;
		bool keep_alive;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_POST,
		 HTTP_BODY_CHUNKED, true},
		{"HTTP/1.1 200 OK\r\n\r\n", HTTP_GET, HTTP_BODY_CLOSE, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", HTTP_GET,
		 HTTP_BODY_LENGTH, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", HTTP_GET,
		 HTTP_BODY_LENGTH, true},
		/* O37 */
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE,
		 true},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_NONE,
		 true},
		{"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET,
		 HTTP_BODY_NONE, true},
		{"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct h1_subject subject = to_get;
		struct h1_reading reading;

		subject.method = cases[i].method;
		h1_read_whole(&subject, cases[i].bytes, strlen(cases[i].bytes), &reading);
		if (reading.verdict != H1_DONE || reading.response.body != cases[i].body ||
		    reading.response.keep_alive != cases[i].keep_alive)
			fail_msg("%s", cases[i].bytes);
		h1_reading_fini(&reading);
	}
}

static void an_equal_second_length_is_dropped(void **state)
{
	static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nA: b\r\n"
				    "Content-Length: 7\r\nContent-Length: 7\r\n\r\n";
	struct h1_reading reading;

	(void)state;
	h1_read_whole(&to_get, bytes, sizeof(bytes) - 1, &reading);
	assert_int_equal(reading.verdict, H1_DONE);
	assert_int_equal(reading.response.head.nfields, 2);
	assert_int_equal(reading.response.content_length, 7);
	h1_reading_fini(&reading);
}

/* RFC 9112 §5.2: a fold reads as blanks. */
static void folded_lines_become_one(void **state)
{
	static const char bytes[] = "HTTP/1.1 299 Good Enough\r\nA: b\r\n  c\r\n\td\r\n"
				    "E:\r\n f\r\n\r\n";
	struct h1_reading reading;
	const struct http_head *head = &reading.response.head;

	(void)state;
	h1_read_whole(&to_get, bytes, sizeof(bytes) - 1, &reading);
	assert_int_equal(reading.verdict, H1_DONE);
	assert_int_equal(reading.response.status, 299);
	assert_true(str_eq(http_span(head, reading.response.reason), STR("Good Enough")));
	assert_int_equal(head->nfields, 2);
	assert_true(str_eq(http_field_value(head, &head->fields[0]), STR("b    c  \td")));
	assert_true(str_eq(http_field_value(head, &head->fields[1]), STR("f")));
	h1_reading_fini(&reading);
}

/* O21, O22. */
static void heads_are_bounded(void **state)
{
	struct h1_subject tight = to_get;
	struct h1_reading reading;
	char many[9000] = "HTTP/1.1 200 OK\r\n";

	(void)state;
	for (size_t i = strlen(many); i + 5 < sizeof(many); i += 5)
		memcpy(many + i, "A:b\r\n", 6);
	h1_read_whole(&to_get, many, strlen(many), &reading);
	assert_int_equal(reading.error, H1_HEAD_TOO_LARGE);
	h1_reading_fini(&reading);
	tight.limits.head_bytes = 100;
	assert_true(h1_is_split_proof(&tight, many, 200));
	h1_read_whole(&tight, many, 200, &reading);
	assert_int_equal(reading.error, H1_HEAD_TOO_LARGE);
	h1_reading_fini(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_lines_follow_the_grammar),
		cmocka_unit_test(fields_and_framing_are_checked),
		cmocka_unit_test(method_status_and_fields_decide_about_the_body),
		cmocka_unit_test(an_equal_second_length_is_dropped),
		cmocka_unit_test(folded_lines_become_one),
		cmocka_unit_test(heads_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

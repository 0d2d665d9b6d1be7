/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 9112 §7.1: chunked bodies, each read in one piece, in two (cut anywhere) and in bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "tests/support/h1_splits.h"

#define ROW(what, bytes, verdict, error, data) \
	{what, bytes, sizeof(bytes) - 1, verdict, error, data}
#define GOOD(what, bytes, data) ROW(what, bytes, H1_DONE, H1_OK, data)
#define BAD(what, bytes) ROW(what, bytes, H1_ERROR, H1_BAD_CHUNK, NULL)

static void framing_is_strict(void **state)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t len;
		enum h1_verdict verdict;
		enum h1_error error;
		const char *data;
	} rows[] = {
		GOOD("empty body", "0\r\n\r\n", ""),
		GOOD("two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
		GOOD("upper and lower case, zeros",
		     "00A\r\n0123456789\r\n0a\r\nabcdefghij\r\n0\r\n\r\n",
		     "0123456789abcdefghij"),
		GOOD("CRLF in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
		ROW("cut short", "5\r\nabc", H1_MORE, H1_OK, "abc"),
		BAD("R107 0x5", "0x5\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 +5", "+5\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 -5", "-5\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 5_0", "5_0\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 blank", " 5\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 empty", "\r\nabcde\r\n0\r\n\r\n"),
		BAD("R107 extension alone", ";a\r\nabcde\r\n0\r\n\r\n"),
		BAD("R108 17 digits", "00000000000000005\r\nabcde\r\n0\r\n\r\n"),
		GOOD("16 digits", "0000000000000005\r\nabcde\r\n0\r\n\r\n", "abcde"),
		BAD("R108 2^63", "8000000000000000\r\n"),
		BAD("sum over 2^63", "1\r\na\r\n7fffffffffffffff\r\n"),
		BAD("R109 LF behind the size", "5\nabcde\r\n0\r\n\r\n"),
		BAD("R109 LF behind the data", "5\r\nabcde\n0\r\n\r\n"),
		BAD("R109 LF behind an extension", "5;a\nabcde\r\n0\r\n\r\n"),
		BAD("R109 LF at the end", "0\r\n\n"),
		BAD("R109 CR and another", "5\rXabcde\r\n0\r\n\r\n"),
		BAD("R110 space behind the size", "5 \r\nabcde\r\n0\r\n\r\n"),
		GOOD("R111 extension", "5;a=b\r\nabcde\r\n0;c\r\n\r\n", "abcde"),
		BAD("R111 blank before the equals sign", "5;a =b\r\nabcde\r\n0\r\n\r\n"),
		GOOD("R111 quoted, blanks",
		     "5; a= \"x;\\\"\xe4 y\";b=c\r\nabcde\r\n0\r\n\r\n", "abcde"),
		BAD("R111 CRLF in quotes", "5;a=\"x\r\ny\"\r\nabcde\r\n0\r\n\r\n"),
		BAD("R111 bare CR", "5;a\rb\r\nabcde\r\n0\r\n\r\n"),
		BAD("R111 control byte", "5;a=\"\x01\"\r\nabcde\r\n0\r\n\r\n"),
		BAD("R111 NUL", "5;a\0\r\nabcde\r\n0\r\n\r\n"),
		BAD("R111 no name", "5;\r\nabcde\r\n0\r\n\r\n"),
		BAD("R112 shorter", "5\r\nabc\r\n0\r\n\r\n"),
		BAD("R112 longer", "5\r\nabcdef\r\n0\r\n\r\n"),
		BAD("R112 two other bytes", "5\r\nabcdeXX0\r\n\r\n"),
		GOOD("R113 trailers", "0\r\nContent-Length: 5\r\nHost: \"x\\\"\r\n\r\n", ""),
		BAD("trailer without colon", "0\r\nA\r\n\r\n"),
		BAD("trailer with space before colon", "0\r\nA : b\r\n\r\n"),
		BAD("folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
		BAD("control byte in a trailer", "0\r\nA: \x01\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct h1_body body;

		h1_read_body(rows[i].bytes, rows[i].len, rows[i].len, 1, &body);
		if (rows[i].data &&
		    !str_eq((struct str){body.data, body.data_len}, str_of(rows[i].data)))
			fail_msg("%s: other data", rows[i].what);
		if (body.verdict != rows[i].verdict || body.error != rows[i].error)
			fail_msg("%s: verdict %d, error %d", rows[i].what, body.verdict,
				 body.error);
		if (!h1_is_split_proof_body(rows[i].bytes, rows[i].len))
			fail_msg("%s: the verdict depends on the split", rows[i].what);
		mem_free(body.data);
	}
}

/* What is behind the body is not used: a pipelined request, say. */
static void the_end_is_exact(void **state)
{
	static const char bytes[] = "1\r\na\r\n0\r\nT: x\r\n\r\nGET / HTTP/1.1\r\n";
	struct h1_body body;

	(void)state;
	h1_read_body(bytes, sizeof(bytes) - 1, 1, 1, &body);
	assert_int_equal(body.verdict, H1_DONE);
	assert_int_equal(body.used, strlen("1\r\na\r\n0\r\nT: x\r\n\r\n"));
	mem_free(body.data);
}

/* start, n times middle. */
static void expect_error(const char *what, const char *start, const char *middle, size_t n,
			 enum h1_error error)
{
	struct h1_body large, small;
	struct buf buf;

	buf_init(&buf, 4 << 20);
	buf_add_str(&buf, str_of(start));
	for (size_t i = 0; i < n; i++)
		buf_add_str(&buf, str_of(middle));
	h1_read_body(buf.at, buf.len, 1, 1999, &large);
	h1_read_body(buf.at, buf.len, 1, 97, &small);
	if (large.error != error || small.error != error || large.used != small.used)
		fail_msg("%s: error %d and %d", what, large.error, small.error);
	mem_free(large.data);
	mem_free(small.data);
	buf_fini(&buf);
}

static void framing_has_a_budget(void **state)
{
	(void)state;
	expect_error("R111 long extension", "5;", "a", 300, H1_BAD_CHUNK);
	expect_error("R111 many extensions", "", "1;abcd\r\nx\r\n", 100, H1_BAD_CHUNK);
	expect_error("R114 long trailer", "0\r\nA:", "b", 9000, H1_TRAILERS_TOO_LARGE);
	expect_error("R114 many trailers", "0\r\n", "A: b\r\n", 2000, H1_TRAILERS_TOO_LARGE);
	expect_error("R115 1-byte chunks", "", "1\r\nx\r\n", 100000, H1_CHUNK_OVERHEAD);
	expect_error("a small body of them is fine", "", "1\r\nx\r\n", 10000, H1_OK);
	expect_error("2-byte chunks are fine", "", "2\r\nxx\r\n", 100000, H1_OK);
}

static void sizes_are_written_in_hex(void **state)
{
	static const struct {
		uint64_t size;
		const char *text;
	} cases[] = {
		{0, "0\r\n"},
		{15, "f\r\n"},
		{16, "10\r\n"},
		{8000, "1f40\r\n"},
		{UINT64_MAX, "ffffffffffffffff\r\n"},
	};
	char out[20];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = h1_encode_chunk_head(cases[i].size, out);

		assert_true(str_eq((struct str){out, len}, str_of(cases[i].text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing_is_strict),
		cmocka_unit_test(the_end_is_exact),
		cmocka_unit_test(framing_has_a_budget),
		cmocka_unit_test(sizes_are_written_in_hex),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

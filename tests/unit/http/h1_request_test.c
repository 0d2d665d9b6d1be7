/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile requests and what becomes of them. Each is read in one piece, in two (cut anywhere) and
 * byte by byte, and the verdict must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "tests/support/h1_splits.h"

static const struct h1_subject subject = {.limits = {.head_bytes = 65536, .target_bytes = 8192}};

struct row {
	const char *what;
	const char *bytes;
	size_t len;
	enum h1_error error; /* H1_OK: a good head */
};

#define ROW(what, bytes, error) {what, bytes, sizeof(bytes) - 1, error}
/* A good request but for the given field lines. */
#define FIELDS(what, lines, error) \
	ROW(what, "GET / HTTP/1.1\r\nHost: a\r\n" lines "\r\n\r\n", error)
#define HOST(what, value, error) ROW(what, "GET / HTTP/1.1\r\nHost:" value "\r\n\r\n", error)
#define TARGET(what, target, error) ROW(what, "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n", error)

static void judge(const struct row *row, const struct h1_subject *as)
{
	struct h1_reading reading;
	enum h1_verdict expected = row->error == H1_OK ? H1_DONE : H1_ERROR;

	h1_read_whole(as, row->bytes, row->len, &reading);
	if (reading.verdict != expected || reading.error != row->error)
		fail_msg("%s: verdict %d, error %d instead of %d", row->what, reading.verdict,
			 reading.error, row->error);
	if (!h1_is_split_proof(as, row->bytes, row->len))
		fail_msg("%s: the verdict depends on the split", row->what);
	h1_reading_fini(&reading);
}

static void judge_all(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		judge(&rows[i], &subject);
}

static const struct h1_subject loose = {
	.limits = {.head_bytes = 65536, .target_bytes = 40, .allow_blanks = true}};

/* uri_whitespace: what is between the method and the version is the target. */
static void targets_may_have_blanks_where_that_is_said(void **state)
{
	static const struct row rows[] = {
		TARGET("blanks", "/a b\tc", H1_OK),
		TARGET("a blank first", " /a", H1_OK),
		TARGET("a blank last", "/a ", H1_OK),
		TARGET("a version inside", "/a HTTP/1.1", H1_OK),
		TARGET("none", "/a", H1_OK),
		TARGET("another control byte", "/a b\x01", H1_BAD_TARGET),
		TARGET("a bare CR", "/a b\rc", H1_BAD_LINE_END),
		TARGET("too long", "/0123456789 0123456789 0123456789 0123456789",
		       H1_TARGET_TOO_LONG),
		ROW("no version", "GET /a b\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("CONNECT", "CONNECT a :1 HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_TARGET),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		judge(&rows[i], &loose);
}

/* RFC 9112 §3, §2.2, §2.3. */
static void request_lines_follow_the_grammar(void **state)
{
	static const struct row rows[] = {
		ROW("R1 bare LF", "GET / HTTP/1.1\nHost: a\n\n", H1_BAD_LINE_END),
		ROW("R2 bare CR", "GET / HTTP/1.1\rHost: a\r\r", H1_BAD_LINE_END),
		ROW("R3 one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK),
		ROW("R4 two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		    H1_BAD_LINE_END),
		ROW("an empty line of LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		    H1_BAD_LINE_END),
		ROW("R5 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_TARGET),
		ROW("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
		    H1_BAD_TARGET),
		ROW("R6 TAB", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_METHOD),
		ROW("TAB before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
		    H1_BAD_REQUEST_LINE),
		ROW("R7 VT", "GET\v/ HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_METHOD),
		ROW("R7 FF", "GET /\fHTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_REQUEST_LINE),
		ROW("R8 LF inside", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_LINE_END),
		ROW("R9 trailing space", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R10 leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_METHOD),
		ROW("R12 HTTP/0.9", "GET /\r\n", H1_BAD_REQUEST_LINE),
		ROW("a method alone", "GET\r\n", H1_BAD_METHOD),
		ROW("R13 HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", H1_OK),
		ROW("R14 HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", H1_OK),
		ROW("R15 HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", H1_UNSUPPORTED_VERSION),
		ROW("HTTP/0.9 in words", "GET / HTTP/0.9\r\n\r\n", H1_UNSUPPORTED_VERSION),
		ROW("R16 HTTP/1.32", "GET / HTTP/1.32\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R16 HTTP/11", "GET / HTTP/11\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R16 HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R17", "GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R18 http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", H1_BAD_VERSION),
		ROW("R19", "GET / HTTP/\r\r1.1\r\nHost: a\r\n\r\n", H1_BAD_LINE_END),
		ROW("R20", "G=\":<>(e) / HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_METHOD),
		ROW("R21 NUL", "\0 / HTTP/1.1\r\nHost: a\r\n\r\n", H1_NOT_HTTP),
		ROW("NUL in a method", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_METHOD),
		ROW("R22 unknown method", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK),
		ROW("R44 h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H1_UNSUPPORTED_VERSION),
		ROW("R45 TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", H1_NOT_HTTP),
		ROW("SSH", "SSH-2.0-OpenSSH_9.2\r\n", H1_BAD_METHOD),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* RFC 9112 §3.2, RFC 3986. */
static void targets_are_of_a_form_that_fits_the_method(void **state)
{
	static const struct row rows[] = {
		TARGET("R11 white space", "/a b", H1_BAD_TARGET),
		TARGET("R26 NUL", "/a\0b", H1_BAD_TARGET),
		TARGET("R27 8-bit", "/a\xe4", H1_BAD_TARGET),
		TARGET("DEL", "/a\x7f", H1_BAD_TARGET),
		TARGET("R28 fragment", "/a#b", H1_BAD_TARGET),
		TARGET("R29", "!", H1_BAD_TARGET),
		TARGET("R30 two slashes", "//evil/path", H1_OK),
		TARGET("R31 absolute", "http://a/x", H1_OK),
		TARGET("absolute, odd case", "HTTP://A/x", H1_OK),
		TARGET("absolute, no path", "https://a", H1_OK),
		TARGET("absolute, query at once", "http://a:8080?q", H1_OK),
		TARGET("absolute, no host", "http:///x", H1_BAD_TARGET),
		TARGET("absolute, bad port", "http://a:99999/", H1_BAD_TARGET),
		TARGET("R33 userinfo", "http://u:p@a/", H1_BAD_TARGET),
		TARGET("R34 ftp", "ftp://a/x", H1_BAD_TARGET),
		TARGET("R34 file", "file:///x", H1_BAD_TARGET),
		TARGET("R37 authority with GET", "a:80", H1_BAD_TARGET),
		TARGET("R39 asterisk with GET", "*", H1_BAD_TARGET),
		TARGET("R40 NUL in the path", "/a%00b", H1_BAD_TARGET),
		TARGET("NUL in the query", "/a?b%00", H1_OK),
		TARGET("R41 bad escape", "/%zz", H1_BAD_TARGET),
		TARGET("R41 short escape", "/a%2", H1_BAD_TARGET),
		TARGET("bad escape before the query", "/a%2?b", H1_BAD_TARGET),
		TARGET("bad escape in the query", "/a?b=100%", H1_OK),
		TARGET("R42 dot segments", "/a/%2e%2e/../b", H1_OK),
		TARGET("Squid's odd bytes", "/\"<>{}|\\^`[]", H1_OK),
		ROW("R36 CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK),
		ROW("CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_TARGET),
		ROW("CONNECT /", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", H1_BAD_TARGET),
		ROW("R38 OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK),
		ROW("R43 TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* RFC 9112 §5, RFC 9110 §5.5. */
static void field_lines_follow_the_grammar(void **state)
{
	static const struct row rows[] = {
		FIELDS("R47 space before colon", "Content-Length : 5", H1_BAD_FIELD_NAME),
		ROW("R48 blank before the first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
		    H1_FOLDED_FIELD),
		FIELDS("R49 obs-fold", "A: b\r\n c", H1_FOLDED_FIELD),
		FIELDS("R49 obs-fold by TAB, with a colon", "A: b\r\n\tc: d", H1_FOLDED_FIELD),
		FIELDS("R50", "Transfer-Encoding:\r\n chunked", H1_FOLDED_FIELD),
		FIELDS("R51", "Transfer-\r\nEncoding: chunked", H1_BAD_FIELD_NAME),
		FIELDS("R52 no colon", "Content-Length 10", H1_BAD_FIELD_NAME),
		FIELDS("R52 LF in a name", "Te\nst", H1_BAD_LINE_END),
		FIELDS("R53 empty name", ": x", H1_BAD_FIELD_NAME),
		FIELDS("R53 colon alone", ":", H1_BAD_FIELD_NAME),
		FIELDS("R54 NUL", "V: v\0x", H1_BAD_FIELD_VALUE),
		FIELDS("R55 NUL at the end", "V: v\0", H1_BAD_FIELD_VALUE),
		FIELDS("R56 bare CR", "V: v\rx", H1_BAD_LINE_END),
		FIELDS("R57 bare LF", "V: v\nx", H1_BAD_LINE_END),
		FIELDS("R57 two LF", "Useless:\n\nGET / HTTP/1.1", H1_BAD_LINE_END),
		ROW("R58", "GET / HTTP/1.1\r\nHost: a\r\n\rX", H1_BAD_LINE_END),
		ROW("LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", H1_BAD_LINE_END),
		FIELDS("R59 control", "V: a\x01z", H1_BAD_FIELD_VALUE),
		FIELDS("R59 DEL", "V: a\x7fz", H1_BAD_FIELD_VALUE),
		FIELDS("HTAB in a value", "V: a\tz", H1_OK),
		FIELDS("R60 8-bit value", "V: \xc3\xa4\xff", H1_OK),
		FIELDS("R61 8-bit name", "V\xe4: x", H1_BAD_FIELD_NAME),
		FIELDS("R61", "Content-Length\x85: 5", H1_BAD_FIELD_NAME),
		FIELDS("R62", "X(a)[b]{}: x", H1_BAD_FIELD_NAME),
		FIELDS("R64 blanks around", "V:\t  x \t ", H1_OK),
		FIELDS("R65 underscore", "Content_Length: 5", H1_OK),
		FIELDS("R70 two Authorization", "Authorization: a\r\nAuthorization: a",
		       H1_DUPLICATE_FIELD),
		FIELDS("R70 two types", "Content-Type: a/b\r\nContent-Type: a/c",
		       H1_DUPLICATE_FIELD),
		FIELDS("R70 two equal types", "Content-Type: a/b\r\ncontent-type: a/b", H1_OK),
		FIELDS("R71 Content-Length", "Connection: close, Content-Length",
		       H1_BAD_CONNECTION),
		FIELDS("R71 Transfer-Encoding", "Connection: transfer-encoding", H1_BAD_CONNECTION),
		FIELDS("R71 Host", "Connection: x\r\nConnection: HOST", H1_BAD_CONNECTION),
		FIELDS("R71 others", "Connection: keep-alive, X-Real-IP, Cookie", H1_OK),
		FIELDS("R119 100-continue", "Expect: 100-Continue", H1_OK),
		FIELDS("R119 twice", "Expect: 100-continue\r\nExpect: 100-continue", H1_OK),
		FIELDS("R119 unknown", "Expect: foo", H1_BAD_EXPECT),
		FIELDS("R119 one of two unknown", "Expect: 100-continue, foo", H1_BAD_EXPECT),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* RFC 9112 §3.2, RFC 9110 §7.2. */
static void hosts_are_one_authority(void **state)
{
	static const struct row rows[] = {
		ROW("R83 none in 1.1", "GET / HTTP/1.1\r\n\r\n", H1_BAD_HOST),
		ROW("R84 none in 1.0", "GET / HTTP/1.0\r\n\r\n", H1_OK),
		ROW("R85 two", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", H1_BAD_HOST),
		ROW("R85 two equal", "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", H1_BAD_HOST),
		HOST("R86 empty", "", H1_OK),
		HOST("R87 list", " a, b", H1_BAD_HOST),
		HOST("R87 list without blank", " a,b", H1_BAD_HOST),
		HOST("R88 space", " a b", H1_BAD_HOST),
		HOST("R88 slash", " a/b", H1_BAD_HOST),
		HOST("R88 at", " a@b", H1_BAD_HOST),
		HOST("R88 hash", " a#b", H1_BAD_HOST),
		HOST("R88 NUL", " a\0b", H1_BAD_FIELD_VALUE),
		HOST("8-bit", " \xe4", H1_BAD_HOST),
		HOST("escape", " a%62", H1_BAD_HOST),
		HOST("R89 port too large", " a:99999", H1_BAD_HOST),
		HOST("R89 negative port", " a:-1", H1_BAD_HOST),
		HOST("R89 port and more", " a:80x", H1_BAD_HOST),
		HOST("port 0", " a:0", H1_BAD_HOST),
		HOST("two ports", " a:1:2", H1_BAD_HOST),
		HOST("R89 empty port", " a:", H1_OK),
		HOST("port", " a:65535", H1_OK),
		HOST("port alone", " :80", H1_BAD_HOST),
		HOST("R90 open bracket", " [::1", H1_BAD_HOST),
		HOST("R90 more behind", " [::1]x", H1_BAD_HOST),
		HOST("R90 no address", " [::1; DROP]", H1_BAD_HOST),
		HOST("IPv6", " [2001:DB8::1]:8080", H1_OK),
		HOST("IPv6 without brackets", " ::1", H1_BAD_HOST),
		HOST("R91 trailing dot", " A.", H1_OK),
		HOST("R91 two trailing dots", " A..", H1_BAD_HOST),
		HOST("R91 leading dot", " .a", H1_BAD_HOST),
		HOST("underscore", " my_host.example", H1_OK),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

static void a_port_with_a_default_site_needs_no_host(void **state)
{
	static const struct row rows[] = {
		ROW("none", "GET / HTTP/1.1\r\n\r\n", H1_OK),
		ROW("two", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", H1_BAD_HOST),
		ROW("bad", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", H1_BAD_HOST),
	};
	struct h1_subject lax = subject;

	(void)state;
	lax.limits.allow_no_host = true;
	for (size_t i = 0; i < COUNT(rows); i++)
		judge(&rows[i], &lax);
}

/* RFC 9112 §6, RFC 9110 §8.6. */
static void what_two_parsers_could_frame_in_two_ways_is_refused(void **state)
{
	static const struct row rows[] = {
		FIELDS("R93", "Content-Length: 5\r\nTransfer-Encoding: chunked",
		       H1_CONFLICTING_FRAMING),
		FIELDS("R94 twice", "Content-Length: 5\r\nContent-Length: 5",
		       H1_CONFLICTING_FRAMING),
		FIELDS("R95 different", "Content-Length: 5\r\nContent-Length: 6",
		       H1_CONFLICTING_FRAMING),
		FIELDS("R95 list", "Content-Length: 5, 6", H1_BAD_CONTENT_LENGTH),
		FIELDS("R95 list of equals", "Content-Length: 5, 5", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 +", "Content-Length: +5", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 -", "Content-Length: -5", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 hex", "Content-Length: 0x5", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 _", "Content-Length: 5_0", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 e", "Content-Length: 1e1", H1_BAD_CONTENT_LENGTH),
		FIELDS("R96 Z", "Content-Length: 1Z", H1_BAD_CONTENT_LENGTH),
		FIELDS("R97 empty", "Content-Length:", H1_BAD_CONTENT_LENGTH),
		FIELDS("R98 010", "Content-Length: 010", H1_OK),
		FIELDS("2^63-1", "Content-Length: 9223372036854775807", H1_OK),
		FIELDS("R99 2^63", "Content-Length: 9223372036854775808", H1_BAD_CONTENT_LENGTH),
		FIELDS("R99 40 digits", "Content-Length: 1000000000000000000000000000000000000000",
		       H1_BAD_CONTENT_LENGTH),
		FIELDS("R66 odd case", "cOnTeNt-LeNgTh: x", H1_BAD_CONTENT_LENGTH),
		ROW("R100", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		    H1_CONFLICTING_FRAMING),
		FIELDS("chunked", "Transfer-Encoding: Chunked", H1_OK),
		FIELDS("R101 identity", "Transfer-Encoding: identity",
		       H1_UNSUPPORTED_TRANSFER_ENCODING),
		FIELDS("R102", "Transfer-Encoding: gzip, chunked",
		       H1_UNSUPPORTED_TRANSFER_ENCODING),
		FIELDS("R103", "Transfer-Encoding: chunked, gzip", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R104 twice", "Transfer-Encoding: chunked, chunked",
		       H1_BAD_TRANSFER_ENCODING),
		FIELDS("R104 two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		       H1_BAD_TRANSFER_ENCODING),
		FIELDS("R105 ,chunked", "Transfer-Encoding: ,chunked", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R105 chunked,", "Transfer-Encoding: chunked,", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R105 ;q=1", "Transfer-Encoding: chunked;q=1", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R105 quoted", "Transfer-Encoding: \"chunked\"", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R105 xchunked", "Transfer-Encoding: xchunked",
		       H1_UNSUPPORTED_TRANSFER_ENCODING),
		FIELDS("R105 chunke", "Transfer-Encoding: chunke",
		       H1_UNSUPPORTED_TRANSFER_ENCODING),
		FIELDS("R105 TAB", "Transfer-Encoding: chun\tked", H1_BAD_TRANSFER_ENCODING),
		FIELDS("empty", "Transfer-Encoding:", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R63 NBSP", "Transfer-Encoding: \xa0" "chunked", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R63 NEL", "Transfer-Encoding: chunked\x85", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R63 0xff", "Transfer-Encoding: \xff" "chunked", H1_BAD_TRANSFER_ENCODING),
		FIELDS("R106 space", "Transfer-Encoding : chunked", H1_BAD_FIELD_NAME),
		FIELDS("R106 VT", "Transfer-Encoding:\vchunked", H1_BAD_FIELD_VALUE),
	};

	(void)state;
	judge_all(rows, COUNT(rows));
}

/* start, n times middle, end: too long to be cut at each place, so at a few. */
static void judge_long(const char *what, const char *start, const char *middle, size_t n,
		       const char *end, enum h1_error error)
{
	static const size_t steps[] = {1, 7, 1000, 4096};
	struct h1_reading whole, split;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	buf_add_str(&buf, str_of(start));
	for (size_t i = 0; i < n; i++)
		buf_add_str(&buf, str_of(middle));
	buf_add_str(&buf, str_of(end));
	h1_read_whole(&subject, buf.at, buf.len, &whole);
	if (whole.error != error || whole.verdict != (error == H1_OK ? H1_DONE : H1_ERROR))
		fail_msg("%s: verdict %d, error %d", what, whole.verdict, whole.error);
	/* Byte by byte near the end only: each byte is a copy. */
	for (size_t i = 0; i < COUNT(steps); i++) {
		size_t first = i == 0 && buf.len > 64 ? buf.len - 64 : 1;

		h1_read_split(&subject, buf.at, buf.len, first, steps[i], &split);
		if (!h1_is_same_reading(&subject, &whole, &split))
			fail_msg("%s: another verdict in steps of %zu", what, steps[i]);
		h1_reading_fini(&split);
	}
	h1_reading_fini(&whole);
	buf_fini(&buf);
}

/* RFC 9110 §15.5.15, RFC 6585 §5. */
static void heads_are_bounded(void **state)
{
	(void)state;
	judge_long("R4", "", "\r\n", 10000, "", H1_BAD_LINE_END);
	judge_long("R24 long method", "", "M", 1000, " / HTTP/1.1\r\nHost: a\r\n\r\n",
		   H1_BAD_METHOD);
	judge_long("R25 long target", "GET /", "a", 100000, " HTTP/1.1\r\nHost: a\r\n\r\n",
		   H1_TARGET_TOO_LONG);
	judge_long("target at its limit", "GET /", "a", 8191, " HTTP/1.1\r\nHost: a\r\n\r\n",
		   H1_OK);
	judge_long("target over its limit", "GET /", "a", 8192, " HTTP/1.1\r\nHost: a\r\n\r\n",
		   H1_TARGET_TOO_LONG);
	judge_long("R46 no line end", "", "x", 65536, "", H1_BAD_REQUEST_LINE);
	judge_long("R67 long line", "GET / HTTP/1.1\r\nHost: a\r\nA: ", "v", 100000, "\r\n\r\n",
		   H1_HEAD_TOO_LARGE);
	judge_long("long line in bounds", "GET / HTTP/1.1\r\nHost: a\r\nA: ", "v", 65000,
		   "\r\n\r\n", H1_OK);
	judge_long("long name", "GET / HTTP/1.1\r\nHost: a\r\n", "n", 65000, ": v\r\n\r\n", H1_OK);
	judge_long("R68 many lines", "GET / HTTP/1.1\r\nHost: a\r\n", "A: 123\r\n", 10000, "\r\n",
		   H1_HEAD_TOO_LARGE);
	judge_long("lines at their limit", "GET / HTTP/1.1\r\nHost: a\r\n", "A: 123\r\n",
		   HTTP_MAX_FIELDS - 1, "\r\n", H1_OK);
	judge_long("one line more", "GET / HTTP/1.1\r\nHost: a\r\n", "A: 123\r\n", HTTP_MAX_FIELDS,
		   "\r\n", H1_HEAD_TOO_LARGE);
}

static void a_head_of_just_the_limit_passes(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct h1_subject tight = subject;
	const struct row fits = ROW("fits", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", H1_OK);
	const struct row over = ROW("over", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", H1_HEAD_TOO_LARGE);

	(void)state;
	tight.limits.head_bytes = sizeof(head) - 1;
	judge(&fits, &tight);
	tight.limits.head_bytes--;
	judge(&over, &tight);
}

/* Where the target alone may fill the head, the target is at fault, and nonsense is nonsense. */
static void a_request_line_that_fills_the_head_is_too_long(void **state)
{
	const struct row target = ROW("target", "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
				      H1_TARGET_TOO_LONG);
	const struct row nonsense = ROW("nonsense", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					H1_BAD_REQUEST_LINE);
	struct h1_subject tight = subject;

	(void)state;
	tight.limits.head_bytes = 32;
	judge(&target, &tight);
	judge(&nonsense, &tight);
}

static void a_good_head_reads_as_it_is_written(void **state)
{
	static const char bytes[] = "\r\nPOST /a?b=c HTTP/1.1\r\nhOST:  x.example \t\r\n"
				    "Content-Length: 010\r\nX-Y:\r\n"
				    "Expect: 100-continue\r\n\r\nbody";
	struct h1_reading reading;
	const struct http_request *request = &reading.request;
	const struct http_head *head = &request->head;

	(void)state;
	h1_read_whole(&subject, bytes, sizeof(bytes) - 1, &reading);
	assert_int_equal(reading.verdict, H1_DONE);
	assert_int_equal(request->method, HTTP_POST);
	assert_true(str_eq(http_span(head, request->method_text), STR("POST")));
	assert_true(str_eq(http_span(head, request->target), STR("/a?b=c")));
	assert_int_equal(request->target_form, HTTP_TARGET_ORIGIN);
	assert_int_equal(request->minor, 1);
	assert_int_equal(request->body, HTTP_BODY_LENGTH);
	assert_int_equal(request->content_length, 10);
	assert_true(request->keep_alive && request->expect_continue);
	assert_int_equal(head->nfields, 4);
	assert_int_equal(head->len, sizeof(bytes) - 1 - 4);
	assert_true(str_eq(http_value(head, FIELD_HOST), STR("x.example")));
	assert_true(str_eq(http_field_name(head, &head->fields[0]), STR("hOST")));
	assert_int_equal(http_field_value(head, &head->fields[2]).len, 0);
	h1_reading_fini(&reading);
}

/* RFC 9112 §9.3, RFC 9110 §10.1.1. */
static void version_and_connection_decide_what_follows(void **state)
{
	static const struct {
		const char *bytes;
		bool keep_alive, expect_continue;
		enum http_body body;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false, HTTP_BODY_NONE},
		{"GET / HTTP/1.9\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", true, true,
		 HTTP_BODY_NONE},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false, false,
		 HTTP_BODY_NONE},
		{"GET / HTTP/1.0\r\n\r\n", false, false, HTTP_BODY_NONE},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, HTTP_BODY_NONE},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, false,
		 HTTP_BODY_NONE},
		{"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, HTTP_BODY_NONE},
		{"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", true, false,
		 HTTP_BODY_CHUNKED},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true, false,
		 HTTP_BODY_LENGTH},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct h1_reading reading;
		const struct http_request *request = &reading.request;

		h1_read_whole(&subject, cases[i].bytes, strlen(cases[i].bytes), &reading);
		if (reading.verdict != H1_DONE || request->keep_alive != cases[i].keep_alive ||
		    request->expect_continue != cases[i].expect_continue ||
		    request->body != cases[i].body)
			fail_msg("%s", cases[i].bytes);
		h1_reading_fini(&reading);
	}
}

/* One of two equal types is left (R70); the bytes of a pipelined request are not touched (R118). */
static void a_second_equal_type_is_merged(void **state)
{
	static const char bytes[] = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nA: b\r\n"
				    "Content-Type: a/b\r\nC: d\r\n\r\nGARBAGE\n";
	struct h1_reading reading;
	const struct http_head *head = &reading.request.head;

	(void)state;
	h1_read_whole(&subject, bytes, sizeof(bytes) - 1, &reading);
	assert_int_equal(reading.verdict, H1_DONE);
	assert_int_equal(head->nfields, 4);
	assert_null(http_find_next(head, FIELD_CONTENT_TYPE, http_find(head, FIELD_CONTENT_TYPE)));
	assert_true(str_eq(http_field_name(head, &head->fields[3]), STR("C")));
	assert_int_equal(head->len, sizeof(bytes) - 1 - 8);
	h1_reading_fini(&reading);
}

static void errors_answer_as_squid_does(void **state)
{
	static const struct {
		enum h1_error error;
		int status;
		const char *squid_error;
	} cases[] = {
		{H1_BAD_REQUEST_LINE, 400, "ERR_PROTOCOL_UNKNOWN"},
		{H1_BAD_TARGET, 400, "ERR_INVALID_URL"},
		{H1_TARGET_TOO_LONG, 414, "ERR_TOO_BIG"},
		{H1_HEAD_TOO_LARGE, 431, "ERR_TOO_BIG"},
		{H1_BAD_FIELD_NAME, 400, "ERR_INVALID_REQ"},
		{H1_UNSUPPORTED_VERSION, 505, "ERR_UNSUP_HTTPVERSION"},
		{H1_UNSUPPORTED_TRANSFER_ENCODING, 501, "ERR_UNSUP_REQ"},
		{H1_BAD_EXPECT, 417, "ERR_INVALID_REQ"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct h1_error_info *info = h1_error_info(cases[i].error);

		assert_int_equal(info->status, cases[i].status);
		assert_string_equal(info->squid_error, cases[i].squid_error);
	}
	for (enum h1_error error = H1_OK; error < H1_ERROR_COUNT; error++)
		assert_non_null(h1_error_info(error)->text);
}

/* Of a head that was refused: for the log, whatever was wrong with the lines behind it. */
static void the_first_line_of_a_refused_head_is_named(void **state)
{
	static const struct {
		const char *bytes, *method, *target; /* NULL: not readable */
		uint8_t major, minor;
	} cases[] = {
		{"GET /a HTTP/1.1\r\nbad name: x\r\n\r\n", "GET", "/a", 1, 1},
		{"\r\nPOST /a b HTTP/1.0\r\n:\r\n", "POST", "/a b", 1, 0},
		{"GET /a HTTP/2.5\r\n", "GET", "/a", 2, 5},
		{"GET foo HTTP/1.1\n", "GET", "foo", 1, 1},
		{"GET /aaaaaaaa", "GET", NULL, 0, 0},
		{"GET /a\1b HTTP/1.1\r\n", NULL, NULL, 0, 0},
		{"GET /a\rb HTTP/1.1\r\n", NULL, NULL, 0, 0},
		{"GET /a HTTP/1\r\n", NULL, NULL, 0, 0},
		{"GET HTTP/1.1\r\n", NULL, NULL, 0, 0},
		{"GET  HTTP/1.1\r\n", NULL, NULL, 0, 0},
		{"GET \r\n", NULL, NULL, 0, 0},
		{"GET \n", NULL, NULL, 0, 0},
		{"GET\r\n", NULL, NULL, 0, 0},
		{"\r\n", NULL, NULL, 0, 0},
		{"\n", NULL, NULL, 0, 0},
		{"", NULL, NULL, 0, 0},
		{"\26\3\1 hello", NULL, NULL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct h1_request_line line = {0};
		bool is_readable =
			h1_read_request_line(cases[i].bytes, strlen(cases[i].bytes), &line);

		assert_int_equal(is_readable, cases[i].method != NULL);
		assert_true(str_eq(line.method, cases[i].method ? str_of(cases[i].method) : STR_NONE));
		assert_true(str_eq(line.target, cases[i].target ? str_of(cases[i].target) : STR_NONE));
		assert_int_equal(line.major, cases[i].major);
		assert_int_equal(line.minor, cases[i].minor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_lines_follow_the_grammar),
		cmocka_unit_test(targets_may_have_blanks_where_that_is_said),
		cmocka_unit_test(targets_are_of_a_form_that_fits_the_method),
		cmocka_unit_test(field_lines_follow_the_grammar),
		cmocka_unit_test(hosts_are_one_authority),
		cmocka_unit_test(a_port_with_a_default_site_needs_no_host),
		cmocka_unit_test(what_two_parsers_could_frame_in_two_ways_is_refused),
		cmocka_unit_test(heads_are_bounded),
		cmocka_unit_test(a_head_of_just_the_limit_passes),
		cmocka_unit_test(a_request_line_that_fills_the_head_is_too_long),
		cmocka_unit_test(a_good_head_reads_as_it_is_written),
		cmocka_unit_test(version_and_connection_decide_what_follows),
		cmocka_unit_test(a_second_equal_type_is_merged),
		cmocka_unit_test(errors_answer_as_squid_does),
		cmocka_unit_test(the_first_line_of_a_refused_head_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

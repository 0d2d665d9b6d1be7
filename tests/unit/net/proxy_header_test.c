/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/net/proxy_header.h"

#define BYTES(literal) {literal, sizeof(literal) - 1}
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRS "\x0a\x01\x02\x03\xc0\x00\x02\x01\x30\x39\x00\x50"
#define V6_ADDRS                                                                                   \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"        \
	"\x30\x39\x01\xbb"
#define FIFTY "0123456789012345678901234567890123456789012345678 "

/* Shows one byte more at a time; all that come before the verdict must ask for more. */
static enum proxy_header_verdict feed(struct str text, struct proxy_header *header)
{
	enum proxy_header_verdict verdict = PROXY_HEADER_MORE;

	for (size_t n = 1; n <= text.len && verdict == PROXY_HEADER_MORE; n++)
		verdict = proxy_header_parse(text.at, n, header);
	return verdict;
}

static void tells_whose_connection_it_is(void **state)
{
	static const struct {
		const char *what;
		struct str text;
		const char *client, *local; /* NULL: not told */
	} cases[] = {
		{"1, IPv4", BYTES("PROXY TCP4 10.1.2.3 192.0.2.1 12345 80\r\n"), "10.1.2.3:12345",
		 "192.0.2.1:80"},
		{"1, IPv6", BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n"),
		 "[2001:db8::1]:12345", "[2001:db8::2]:443"},
		{"1, unknown", BYTES("PROXY UNKNOWN\r\n"), NULL, NULL},
		{"1, unknown with more", BYTES("PROXY UNKNOWN ffff::1 x 1 2\r\n"), NULL, NULL},
		{"2, IPv4", BYTES(V2 "\x21\x11\0\x0c" V4_ADDRS), "10.1.2.3:12345", "192.0.2.1:80"},
		{"2, IPv4 with extras", BYTES(V2 "\x21\x11\0\x10" V4_ADDRS "\x04\0\x01x"),
		 "10.1.2.3:12345", "192.0.2.1:80"},
		{"2, IPv6", BYTES(V2 "\x21\x21\0\x24" V6_ADDRS), "[2001:db8::1]:12345",
		 "[2001:db8::2]:443"},
		{"2, local", BYTES(V2 "\x20\x11\0\x0c" V4_ADDRS), NULL, NULL},
		{"2, local and nothing else", BYTES(V2 "\x20\0\0\0"), NULL, NULL},
		{"2, no family", BYTES(V2 "\x21\0\0\x02xx"), NULL, NULL},
	};
	char text[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct proxy_header header;

		if (feed(cases[i].text, &header) != PROXY_HEADER_DONE ||
		    header.len != cases[i].text.len ||
		    header.has_addrs != (cases[i].client != NULL))
			fail_msg("%s", cases[i].what);
		if (!header.has_addrs)
			continue;
		assert_string_equal(addr_text(&header.client, text), cases[i].client);
		assert_string_equal(addr_text(&header.local, text), cases[i].local);
	}
}

/* What is written here reads as the same there. */
static void what_is_written_is_read(void **state)
{
	static const struct {
		const char *client, *local; /* NULL: none */
		const char *text;           /* version 1 */
		size_t v2_bytes;
		const char *read_client, *read_local;
	} cases[] = {
		{"10.1.2.3", "192.0.2.1", "PROXY TCP4 10.1.2.3 192.0.2.1 12345 80\r\n", 28,
		 "10.1.2.3:12345", "192.0.2.1:80"},
		{"2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 80\r\n", 52,
		 "[2001:db8::1]:12345", "[2001:db8::2]:80"},
		{"10.1.2.3", "2001:db8::2", "PROXY TCP6 ::ffff:10.1.2.3 2001:db8::2 12345 80\r\n", 52,
		 "10.1.2.3:12345", "[2001:db8::2]:80"},
		{NULL, "192.0.2.1", "PROXY UNKNOWN\r\n", 16, NULL, NULL},
		{"10.1.2.3", NULL, "PROXY UNKNOWN\r\n", 16, NULL, NULL},
	};
	char out[PROXY_HEADER_MADE_BYTES], text[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr client = {0}, local = {.as.any.sa_family = AF_UNIX};
		size_t len;

		if (cases[i].client)
			addr_parse(str_of(cases[i].client), 12345, &client);
		if (cases[i].local)
			addr_parse(str_of(cases[i].local), 80, &local);
		len = proxy_header_write(1, &client, &local, out);
		assert_true(str_eq((struct str){out, len}, str_of(cases[i].text)));
		assert_int_equal(proxy_header_write(2, &client, &local, out), cases[i].v2_bytes);
		for (unsigned version = 1; version <= 2; version++) {
			struct proxy_header header;

			len = proxy_header_write(version, &client, &local, out);
			assert_int_equal(proxy_header_parse(out, len, &header), PROXY_HEADER_DONE);
			assert_int_equal(header.len, len);
			assert_int_equal(header.has_addrs, cases[i].read_client != NULL);
			if (!header.has_addrs)
				continue;
			addr_unmap(&header.client);
			assert_string_equal(addr_text(&header.client, text), cases[i].read_client);
			assert_string_equal(addr_text(&header.local, text), cases[i].read_local);
		}
	}
}

static void what_follows_is_left_alone(void **state)
{
	struct str text = STR("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n");
	struct proxy_header header;

	(void)state;
	assert_int_equal(proxy_header_parse(text.at, text.len, &header), PROXY_HEADER_DONE);
	assert_true(str_starts_with(str_from(text, header.len), STR("GET /")));
}

static void anything_else_is_refused(void **state)
{
	static const struct {
		const char *what;
		struct str text;
	} cases[] = {
		{"a request", BYTES("GET / HTTP/1.1\r\n")},
		{"lower case", BYTES("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n")},
		{"an address of another family", BYTES("PROXY TCP4 2001:db8::1 5.6.7.8 1 2\r\n")},
		{"a name", BYTES("PROXY TCP4 host 5.6.7.8 1 2\r\n")},
		{"brackets", BYTES("PROXY TCP6 [::1] [::1] 1 2\r\n")},
		{"a port too high", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n")},
		{"a port with a zero ahead", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n")},
		{"a part missing", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")},
		{"a part too many", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")},
		{"a blank at the end", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n")},
		{"two blanks", BYTES("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")},
		{"LF alone", BYTES("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")},
		{"another family", BYTES("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n")},
		{"too long", BYTES("PROXY UNKNOWN " FIFTY FIFTY "\r\n")},
		{"2, version 3", BYTES(V2 "\x31\x11\0\x0c" V4_ADDRS)},
		{"2, another command", BYTES(V2 "\x22\x11\0\x0c" V4_ADDRS)},
		{"2, too short for its family", BYTES(V2 "\x21\x21\0\x0c" V4_ADDRS)},
		{"2, too long", BYTES(V2 "\x21\x11\xff\xff" V4_ADDRS)},
		{"2, another signature", BYTES("\r\n\r\nx")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct proxy_header header;

		if (feed(cases[i].text, &header) != PROXY_HEADER_ERROR)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_whose_connection_it_is),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_follows_is_left_alone),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

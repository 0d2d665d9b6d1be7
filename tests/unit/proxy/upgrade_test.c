/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tunnel/upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "proxy/tunnel/websocket.h"
#include "tests/support/heads.h"

/* RFC 6455 §1.3 */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void a_key_has_one_accept(void **state)
{
	char one[WEBSOCKET_KEY_LEN], other[WEBSOCKET_KEY_LEN];

	(void)state;
	assert_true(websocket_accepts(STR(KEY), STR(ACCEPT)));
	assert_false(websocket_accepts(STR(KEY), STR("")));
	assert_false(websocket_accepts(STR(KEY), STR(ACCEPT "=")));
	assert_false(websocket_accepts(STR("x"), STR(ACCEPT)));
	websocket_make_key(one);
	websocket_make_key(other);
	assert_memory_not_equal(one, other, sizeof(one));
	assert_memory_equal(one + WEBSOCKET_KEY_LEN - 2, "==", 2);
}

static void a_101_takes_up_what_was_offered(void **state)
{
	static const struct {
		const char *lines, *offered;
		const char *key;
		bool confirmed;
	} cases[] = {
		{"Connection: upgrade\nUpgrade: websocket\n", "websocket", NULL, true},
		{"Connection: x, Upgrade\nUpgrade: WebSocket\n", "websocket", NULL, true},
		{"Connection: upgrade\nUpgrade: b, a\n", "a, b, c", NULL, true},
		{"Connection: upgrade\nUpgrade: a, d\n", "a, b, c", NULL, false},
		{"Connection: upgrade\nUpgrade: foo\n", "foo/1", NULL, false},
		{"Connection: upgrade\n", "websocket", NULL, false},
		{"Connection: upgrade\nUpgrade: ,\n", "websocket", NULL, false},
		{"Connection: close\nUpgrade: websocket\n", "websocket", NULL, false},
		{"Upgrade: websocket\n", "websocket", NULL, false},
		{"Connection: upgrade\nUpgrade: websocket\n", "websocket", KEY, false},
		{"Connection: upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: x\n", "websocket", KEY,
		 false},
		{"Connection: upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: " ACCEPT "\n",
		 "websocket", KEY, true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head;
		struct str key = cases[i].key ? str_of(cases[i].key) : STR_NONE;

		head_of_lines(&head, cases[i].lines);
		if (upgrade_is_confirmed(&head, str_of(cases[i].offered), key) != cases[i].confirmed)
			fail_msg("case %zu: %s", i, cases[i].lines);
	}
}

static void the_client_gets_what_is_not_of_the_connection(void **state)
{
	static const char lines[] = "Upgrade: websocket\nConnection: Upgrade, X-Hop\nX-Hop: 1\n"
				    "Sec-WebSocket-Accept: x\nContent-Length: 5\nX: y\n";
	struct http_head head;
	struct buf out;

	(void)state;
	head_of_lines(&head, lines);
	buf_init(&out, 1000);
	upgrade_write_head(&head, false, &out);
	buf_add_char(&out, '\0');
	assert_string_equal(out.at, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Sec-WebSocket-Accept: x\r\nX: y\r\n");
	buf_clear(&out);
	upgrade_write_head(&head, true, &out);
	buf_add_char(&out, '\0');
	assert_string_equal(out.at, "HTTP/1.1 200 OK\r\nX: y\r\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_has_one_accept),
		cmocka_unit_test(a_101_takes_up_what_was_offered),
		cmocka_unit_test(the_client_gets_what_is_not_of_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

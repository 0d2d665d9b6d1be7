/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "proxy/transaction/act_as_origin.h"

enum { NOW_S = 784111777 + 60 }; /* Sun, 06 Nov 1994 08:50:37 GMT */

static void dates_move_to_now_and_the_old_ones_stay_readable(void **state)
{
	static const struct {
		const char *what, *head, *shown;
	} cases[] = {
		{"both",
	         "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nA: b\r\n"
	         "Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n",
	         "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:50:37 GMT\r\n"
	         "X-Origin-Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nA: b\r\n"
	         "Expires: Sun, 06 Nov 1994 09:50:37 GMT\r\n"
	         "X-Origin-Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\n"},
		{"no date", "HTTP/1.1 200 OK\r\nA: Date: x\r\n",
	         "HTTP/1.1 200 OK\r\nA: Date: x\r\n"},
		{"an expiry that is none", "HTTP/1.1 200 OK\r\nExpires: 0\r\n",
	         "HTTP/1.1 200 OK\r\nExpires: 0\r\n"},
		{"a date that is none", "HTTP/1.1 200 OK\r\nDate: x\r\n",
	         "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:50:37 GMT\r\nX-Origin-Date: x\r\n"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, NULL, 0);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (!str_eq(act_as_origin(str_of(cases[i].head), NOW_S, &arena),
		            str_of(cases[i].shown)))
			fail_msg("%s", cases[i].what);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_move_to_now_and_the_old_ones_stay_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

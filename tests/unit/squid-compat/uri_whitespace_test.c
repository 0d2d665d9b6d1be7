/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "squid-compat/uri_whitespace.h"

static void blanks_go_as_the_directive_says(void **state)
{
	static const struct {
		enum uri_whitespace how;
		const char *target, *mended; /* NULL: refused */
	} cases[] = {
		{URI_WHITESPACE_STRIP, "/a b\tc", "/abc"},
		{URI_WHITESPACE_STRIP, " /a", "/a"},
		{URI_WHITESPACE_STRIP, "http://a.example/x y", "http://a.example/xy"},
		{URI_WHITESPACE_STRIP, "/%4 1", "/%41"},
		{URI_WHITESPACE_ENCODE, "/a b\tc", "/a%20b%09c"},
		{URI_WHITESPACE_ALLOW, "/a b", "/a%20b"},
		{URI_WHITESPACE_ENCODE, " /a", NULL},
		{URI_WHITESPACE_ENCODE, "/%4 1", NULL},
		{URI_WHITESPACE_ENCODE, "http://a b.example/", NULL},
		{URI_WHITESPACE_CHOP, "/a b", "/a"},
		{URI_WHITESPACE_CHOP, " /a", NULL},
		{URI_WHITESPACE_CHOP, "http://a.example /b", "http://a.example"},
		{URI_WHITESPACE_DENY, " ", NULL},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool is_good;

		buf_clear(&out);
		is_good = uri_whitespace_mend(cases[i].how, str_of(cases[i].target), &out);
		if (is_good != (cases[i].mended != NULL) ||
		    (is_good && !str_eq(buf_str(&out), str_of(cases[i].mended))))
			fail_msg("%s", cases[i].target);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_go_as_the_directive_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

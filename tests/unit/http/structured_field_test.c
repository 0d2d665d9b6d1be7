/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/http/structured_field.h"

/* "KEY:TYPE:INTEGER ..." or "broken". */
static void describe(struct str value, char *text, size_t size)
{
	struct sf_member member;
	enum sf_verdict verdict;
	size_t n = 0;

	text[0] = '\0';
	while ((verdict = sf_next_member(&value, &member)) == SF_MEMBER)
		n += (size_t)snprintf(text + n, size - n, "%s%.*s:%d:%" PRId64, n ? " " : "",
		                      STR_ARG(member.key), (int)member.type, member.integer);
	if (verdict == SF_BROKEN)
		snprintf(text, size, "broken");
}

/* RFC 9651 §4.2.2. Types by their number in enum sf_type. */
static void each_dictionary_has_its_members(void **state)
{
	static const struct {
		const char *value, *members;
	} cases[] = {
		{"", ""},
		{"  ", ""},
		{"a", "a:0:1"},
		{"max-age=60", "max-age:1:60"},
		{"max-age=60,  no-store\t, x=?0", "max-age:1:60 no-store:0:1 x:0:0"},
		{"max-age=-1", "max-age:1:-1"},
		{"max-age=999999999999999", "max-age:1:999999999999999"},
		{"a;b;c=1, d=2;e=\"x\"", "a:0:1 d:1:2"},
		{"a=\"q\\\"\\\\\"", "a:3:0"},
		{"a=tok/en:*", "a:4:0"},
		{"a=:aGk=:", "a:5:0"},
		{"a=@1659578233", "a:6:1659578233"},
		{"a=%\"f%c3%bc\"", "a:7:0"},
		{"a=(1 \"x\";y  t);z", "a:8:0"},
		{"a=()", "a:8:0"},
		{"a=1.5", "a:2:1"},
		{"*a=1", "*a:1:1"},
		/* each of these spoils the whole */
		{"a,", "broken"},
		{",a", "broken"},
		{"a,,b", "broken"},
		{"a b", "broken"},
		{"A=1", "broken"},
		{"max-age =1", "broken"},
		{"max-age= 1", "broken"},
		{"max-age=1, &&&&&", "broken"},
		{"1=a", "broken"},
		{"a=", "broken"},
		{"a=1000000000000000", "broken"},
		{"a=1.", "broken"},
		{"a=1.2345", "broken"},
		{"a=-", "broken"},
		{"a=\"x", "broken"},
		{"a=\"\\x\"", "broken"},
		{"a=\"\x7f\"", "broken"},
		{"a=?2", "broken"},
		{"a=?", "broken"},
		{"a=:x", "broken"},
		{"a=(1", "broken"},
		{"a=(1,2)", "broken"},
		{"a=@1.5", "broken"},
		{"a=%\"%C3\"", "broken"},
		{"a;=1", "broken"},
		{"a;b=", "broken"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[200];

		describe(str_of(cases[i].value), text, sizeof(text));
		if (strcmp(text, cases[i].members) != 0)
			fail_msg("'%s': %s, not %s", cases[i].value, text, cases[i].members);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_dictionary_has_its_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control/control_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "lib/base/check.h"

static struct str words[] = {
	{"purge", 5}, {"", 0}, {"a b\t%41\n", 8}, {"url LIKE '%\xc3\xa4'", 14}, {"\0x", 2},
};

static void any_bytes_come_back_as_they_went_in(void **state)
{
	struct buf line;
	struct str rest, word;
	char out[256];

	(void)state;
	buf_init(&line, 256);
	for (size_t i = 0; i < COUNT(words); i++)
		control_words_add(&line, words[i]);
	assert_int_equal(str_find_char(buf_str(&line), '\n'), line.len);
	rest = buf_str(&line);
	for (size_t i = 0; i < COUNT(words); i++) {
		assert_true(control_words_next(&rest, out, &word));
		assert_true(str_eq(word, words[i]));
	}
	assert_false(control_words_next(&rest, out, &word));
	buf_fini(&line);
}

static void malformed_escapes_are_refused(void **state)
{
	static const char *const lines[] = {"a%", "%4", "%zz", "%%41", "x%4"};
	struct str word;
	char out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct str rest = str_of(lines[i]);

		if (control_words_next(&rest, out, &word))
			fail_msg("%s", lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_bytes_come_back_as_they_went_in),
		cmocka_unit_test(malformed_escapes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

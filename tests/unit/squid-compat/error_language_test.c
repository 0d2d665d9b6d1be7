/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/pages/error_language.h"

static void tags_are_known_by_their_first_part(void **state)
{
	(void)state;
	assert_int_equal(error_language_of(STR("de")), ERROR_GERMAN);
	assert_int_equal(error_language_of(STR("DE-at-1996")), ERROR_GERMAN);
	assert_int_equal(error_language_of(STR("ja-JP")), ERROR_JAPANESE);
	assert_int_equal(error_language_of(STR("den")), ERROR_LANGUAGES);
	assert_int_equal(error_language_of(STR("")), ERROR_LANGUAGES);
	assert_int_equal(error_language_of(STR("-de")), ERROR_LANGUAGES);
}

/* RFC 9110 12.5.4; the default here is French. */
static void the_heaviest_language_wins(void **state)
{
	static const struct {
		const char *accept;
		enum error_language language;
		const char *missing; /* NULL: none */
	} cases[] = {
		{"", ERROR_FRENCH, NULL},
		{"de", ERROR_GERMAN, NULL},
		{"de, es", ERROR_GERMAN, NULL},
		{"de;q=0.5, es;q=0.9", ERROR_SPANISH, NULL},
		{"de;q=0.5,es;q=0.501", ERROR_SPANISH, NULL},
		{"fi, sv;q=0.9, ja;q=0.1", ERROR_JAPANESE, NULL},
		{"fi", ERROR_FRENCH, "fi"},
		{"fi-FI, sv", ERROR_FRENCH, "fi-FI"},
		{"*", ERROR_FRENCH, NULL},
		{"en;q=0.1, *", ERROR_FRENCH, NULL},
		{"de;q=0", ERROR_FRENCH, NULL},
		{"de;q=0, en", ERROR_ENGLISH, NULL},
		{" de ; q=1 ", ERROR_GERMAN, NULL},
		{"de;q=x, es;q=0.1", ERROR_SPANISH, NULL},
		{"de;level=1", ERROR_FRENCH, NULL},
		{"de;q=9999999999999", ERROR_GERMAN, NULL},
		{",,,;;;==,q=", ERROR_FRENCH, "q="},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str missing;
		enum error_language language = error_language_choose(str_of(cases[i].accept),
								     ERROR_FRENCH, &missing);

		if (language != cases[i].language)
			fail_msg("%s: %s", cases[i].accept, error_language_tag(language));
		if (!str_eq(missing, cases[i].missing ? str_of(cases[i].missing) : STR_NONE))
			fail_msg("%s: missing %.*s", cases[i].accept, STR_ARG(missing));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_known_by_their_first_part),
		cmocka_unit_test(the_heaviest_language_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

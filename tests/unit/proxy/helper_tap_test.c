/* SPDX-License-Identifier: BSD-2-Clause */
/* Which answer belongs to which question, whatever pieces they come in. */
#include "proxy/ctl/helper/helper_tap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/check.h"

/* Appends "QUESTION=ANSWER;", and QUESTION=?; without one. */
static void note(void *user, const struct tap_pair *pair)
{
	struct buf *notes = user;

	buf_printf(notes, "%.*s=%.*s%s;", STR_ARG(pair->question), STR_ARG(pair->answer),
	           pair->has_answer ? "" : "?");
	assert_true(pair->has_answer ? pair->latency_us == 5 : pair->latency_us == -1);
}

static const struct {
	const char *what;
	bool has_ids;
	const char *asked, *answered, *notes;
} cases[] = {
	{"one after the other", false, "a\nb c\n", "OK\nERR x\r\n", "a=OK;b c=ERR x;"},
	{"an answer to nothing", false, "a\n", "OK\nOK\nOK\n", "a=OK;"},
	{"no answer", false, "a\nb\nhalf", "OK\n", "a=OK;b=?;"},
	{"half an answer", false, "a\n", "OK", "a=?;"},
	{"empty lines", false, "\n\n", "\n\r\n", "=;=;"},
	{"ids in any order", true, "1 a\n2 b\n3 c\n", "3 C\n1 A\n2\n", "c=C;a=A;b=;"},
	{"an id that is not open", true, "1 a\n", "9 X\n1 A\n1 B\n", "a=A;"},
	{"no ids where they should be", true, "a\n", "OK\n", ""},
};

static void feed(struct tap *tap, void (*take)(struct tap *tap, struct str bytes, int64_t now_us),
                 const char *text, size_t piece, int64_t now_us)
{
	struct str rest = str_of(text);

	while (rest.len > 0) {
		take(tap, str_first(rest, piece), now_us);
		rest = str_from(rest, piece);
	}
}

static void pairs_questions_and_answers(void **state)
{
	static const size_t pieces[] = {1, 3, 1000};

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(pieces); i++) {
		size_t row = i / COUNT(pieces), piece = pieces[i % COUNT(pieces)];
		struct buf notes;
		struct tap tap;

		buf_init(&notes, 4096);
		tap_init(&tap, cases[row].has_ids, note, &notes);
		feed(&tap, tap_questions, cases[row].asked, piece, 100);
		feed(&tap, tap_answers, cases[row].answered, piece, 105);
		tap_end(&tap);
		if (!str_eq(buf_str(&notes), str_of(cases[row].notes)))
			fail_msg("%s: %.*s", cases[row].what, STR_ARG(buf_str(&notes)));
		tap_fini(&tap);
		buf_fini(&notes);
	}
}

/* A line of more than the bound is passed over, and the next one counts again. */
static void passes_over_what_is_too_long(void **state)
{
	static char long_line[TAP_MAX_LINE_BYTES + 10];
	struct buf notes;
	struct tap tap;

	(void)state;
	memset(long_line, 'x', sizeof(long_line));
	buf_init(&notes, 4096);
	tap_init(&tap, true, note, &notes);
	tap_questions(&tap, STR("1 a\n2 "), 100);
	tap_questions(&tap, (struct str){long_line, sizeof(long_line)}, 100);
	tap_questions(&tap, STR("\n3 c\n"), 100);
	tap_answers(&tap, STR("1 "), 105);
	tap_answers(&tap, (struct str){long_line, sizeof(long_line)}, 105);
	tap_answers(&tap, STR("\n2 B\n3 C\n"), 105);
	tap_end(&tap);
	assert_true(str_eq(buf_str(&notes), STR("c=C;a=?;")));
	tap_fini(&tap);
	buf_fini(&notes);
}

/* Questions that are never answered do not fill the memory. */
static void forgets_the_oldest(void **state)
{
	struct buf notes;
	struct tap tap;

	(void)state;
	buf_init(&notes, 1 << 20);
	tap_init(&tap, true, note, &notes);
	for (unsigned i = 1; i <= TAP_MAX_OPEN + 2; i++) {
		char line[32];

		snprintf(line, sizeof(line), "%u q\n", i);
		tap_questions(&tap, str_of(line), 100);
	}
	tap_answers(&tap, STR("2 gone\n3 there\n"), 105);
	assert_true(str_eq(buf_str(&notes), STR("q=there;")));
	tap_fini(&tap);
	buf_fini(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_questions_and_answers),
		cmocka_unit_test(passes_over_what_is_too_long),
		cmocka_unit_test(forgets_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "squid-compat/regex.h"

/* What glibc makes of it: 0 no match, 1 match, -1 refused. */
static int ask_glibc(const char *pattern, const char *subject, unsigned flags)
{
	regex_t regex;
	int result;

	if (regcomp(&regex, pattern,
	            REG_EXTENDED | REG_NOSUB | (flags & REGEX_NOCASE ? REG_ICASE : 0)) != 0)
		return -1;
	result = regexec(&regex, subject, 0, NULL, 0) == 0;
	regfree(&regex);
	return result;
}

static int ask_ours(const char *pattern, const char *subject, unsigned flags)
{
	struct err_text why;
	struct regex *regex = regex_compile(str_of(pattern), flags, &why);
	enum regex_verdict verdict;

	if (regex == NULL)
		return -1;
	verdict = regex_match(regex, str_of(subject));
	regex_destroy(regex);
	return verdict == REGEX_YES;
}

static void compare(const char *pattern, const char *subject)
{
	for (unsigned flags = 0; flags <= REGEX_NOCASE; flags++) {
		int glibc = ask_glibc(pattern, subject, flags);
		int ours = ask_ours(pattern, subject, flags);

		if (ours != glibc)
			fail_msg("'%s'%s on '%s': %d, glibc says %d", pattern, flags ? " -i" : "",
			         subject, ours, glibc);
	}
}

/* clang-format off */
static const char *const subjects[] = {
	"", "a", "A", "b", "aa", "aaa", "aaaaaaa", "ab", "abc", "ABC", "d", "t", "x41", "1", "5",
	"\\", ".", "\\]", "]", "[", "-", "^", "_", "a.b", "a\nb", "a\n", "\n", "foo bar",
	"foo  bar", "a b", "foobar", "(a)", ")", "}", "{", "a{2}", "a+", "a|b", "Q", "E", "uXXXX",
	"pL", "z", "Z", "\t", "\v", "\xe4", "\xc4", "http://www.example.com/cgi-bin/x?y=1",
	"http://example.com/a b/%2f", "/path/file.JPG", "/path/file.jpg?x", "x=1", "w.w", "0",
	"abcdefghija0", "$", "*", "<", ">", "`", "'", "a,b", "a{,3}", "foo#bar", "\x7f",
};
/* clang-format on */

/* A group of patterns for each construct that PCRE2 and glibc read differently, or might. */
static void patterns_mean_what_glibc_takes_them_for(void **state)
{
	/* clang-format off */
	static const char *const patterns[] = {
		/* a backslash before a letter drops */
		"\\d", "\\D", "\\h", "\\v", "\\R", "\\K", "\\Qa.b\\E", "\\A", "\\Z", "\\z", "\\G",
		"\\e", "\\f", "\\n", "\\r", "\\t", "\\a", "\\x41", "\\cX", "\\uXXXX", "\\p{1}",
		"\\p{L}", "\\0", "\\y", "a\\", "\\", "\\.", "\\$", "\\^", "\\*", "\\{", "\\(a\\)",
		"\\|", "a\\|b", "\\/", "\\-", "\\#", "foo#bar", "\\ ", "a\\ b", "\\]", "\\}", "\\,",
		"\\\\", "\\%",
		/* GNU's own */
		"\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\bb", "o\\b", "o\\B", "\\w+\\W\\w+",
		"\\<a", "a\\>", "\\<bar\\>", "\\<", "\\>", "\\`a", "a\\'", "\\`\\'", "b\\`", "\\'a",
		"\\b*", "\\<*", "\\B+", "\\`?", "\\w*", "\\s{2}",
		/* brackets */
		"[\\.]", "[\\d]", "[\\]]", "[\\]", "[]a]", "[^]a]", "[a-]", "[-a]", "[^-a]",
		"[]-a]", "[a", "[", "[]", "[^]", "[^", "[a-", "[a-z", "[z-a]", "[a-c-e]", "[--a]",
		"[%--]", "[a--]", "[a-a]", "[Z-a]", "[A-z]", "[_-z]", "[^_]", "[^a]", "[^A-Z]",
		"[[]", "[[a]", "[a[]", "[*+?{}()|.$^]", "[^.]", "[a-c-]", "[\n]", "[^\n]",
		"[\xe0-\xff]", "[^\x80-\xff]", "\xe4", "[\xe4]", "[a\\-z]", "[$-/]", "[[-a]",
		"[a^]", "[a\\^]", "[0-9A-Fa-f]+", "[^\x01-\xff]", "[^\x01-\xff]*a", "[^\x01-\xff]?",
		/* named members */
		"[[.-.]]", "[[.a.]-c]", "[[.-.]-a]", "[a[.-.]c]", "[[=a=]]", "[[=aa=]]",
		"[[.space.]]", "[[.hyphen.]]", "[[=a=]-c]", "[[.].]]", "[[=]=]]", "[[.a]", "[[.",
		"[[:alpha:]]", "[[:ALPHA:]]", "[[:foo:]]", "[[:alpha:]-z]", "[a-[:alpha:]]",
		"[[:alpha:]-]", "[^[:alpha:]]", "[[:foo]", "[[:foo", "[[:upper:]]", "[[:lower:]]",
		"[^[:upper:]]", "[[:digit:][:space:]]", "[[:punct:]]", "[[:cntrl:]]", "[[:blank:]]",
		"[[:graph:]]", "[[:print:]]", "[[:xdigit:]]", "[[:alnum:]_]", "[:alpha:]", "[[::]]",
		/* repetitions of repetitions */
		"a+?", "a*?", "a??", "a{2}?", "^a+?b", "^xa+?$", "a++", "a*+", "a**", "a+*", "a?+",
		"a{1,2}{2}", "^a{1,2}{2}$", "^a{2}{3}$", "^(ab?){2}*$", "a{2}+", "a+{2}", "^a{3}?$",
		"(a+)+$", "(a*)*b", "(a*|b)*c", "^(a?){3}$", "[ab]{2}{1}c", "\\.{1}{1}",
		"^(a|ab)(c|bcd)(d*)$", "(a*)(ab)*(b*)",
		/* what Perl takes for something special */
		"(?:a)", "(?i)a", "(?=a)", "(?!a)", "(?#x)a", "(*FAIL)", "(*UTF8)a", "(+a)", "(?",
		/* nothing to repeat */
		"*", "+", "?", "{1}", "*a", "+a", "?a", "{", "{a", "(*a)", "a|*b", "^*", "^+a",
		"$*", "^{1}", "(|*)", "a|{1}", "()*", "(){2}", "x()*", "(^*)",
		/* braces */
		"a{", "a{x", "a{2", "a{2,", "a{2,3", "a{,3}", "a{,}", "a{0}", "a{0,0}", "a{3,2}",
		"a{2,3,4}", "a{ 1}", "a{1 }", "a{-1}", "a{}", "}", "a}", "a{01}", "a{1,02}", "^a{2,}$",
		"a{,0}", "a{99999}", "a{32768}", "a{1,32768}", "a{99999999999999999999}", "a{255}",
		"a\\{2}", "a{2\\}", "^a{\\,2}$", "a{\\,}", "^a{1\\0}$", "a{\\1}", "a{\\,\\,}",
		/* parentheses */
		")", "a)", "(a", "a|)", ")*", "^)$", "(a))", "((a)", "()", "(())", "(|a)", "(a|)",
		"(a)(b)", "(", "[(]", "[)]",
		/* alternatives */
		"a||b", "|a", "a|", "|", "a|b", "^a|b$", "(a|b)c", "",
		/* anchors */
		"^", "$", "^$", "a$", "^a", "a^b", "a$b", "(^a)", "(a$)", "x|^a", "b^", "$a", "^^a",
		"a$$", "(^|b)a",
		/* back-references */
		"(a)\\1", "(a)\\2", "\\1(a)", "(a\\1)", "(a)|b\\1", "((a)\\2)", "((a)|b\\2)",
		"(a|b)\\1", "(o)\\1", "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\\10", "(a){2}{3}\\1", "(a)\\1*",
		"([abc])[^x]*\\1", "[\\1]", "(a)[\\1]",
		/* any byte */
		".", "a.b", "^.$", "..", "\\w.\\w",
		/* as in configurations */
		"\\.(jpg|gif|png)$", "^http://([a-z]+\\.)?example\\.com/", "(/cgi-bin/|\\?)",
		"^[^:]+://[^/]+/squid-internal-mgr/", "-i", "[?&]x=[0-9]+$", "^/path/.*\\.jpg(\\?|$)",
		"(^|[./])example", "\\.jpg\\?", "\x01",
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++)
		for (size_t j = 0; j < COUNT(subjects); j++)
			compare(patterns[i], subjects[j]);
}

/* Patterns of pieces that mean something, put together at random; the seed is fixed. */
static void random_patterns_mean_the_same_too(void **state)
{
	static const char *const pieces[] = {
		"a",           "b",   "A",     "(",    ")",     "[",   "]",   "|",   "*",    "+",
		"?",           "{2}", "{1,2}", "{,1}", "^",     "$",   ".",   "\\",  "[ab]", "[^a]",
		"[[:alpha:]]", "\\w", "\\b",   "-",    "(a|b)", "\\1", "\\<", "(a)", "(b",   "[a-",
		":",           "=",   ",",     "1",    "{",     "}",   "\\B", "\\'", "[\\",
	};
	unsigned seed = 20011;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		char pattern[64] = "";

		for (int n = rand_r(&seed) % 6; n >= 0; n--)
			strcat(pattern, pieces[(size_t)rand_r(&seed) % COUNT(pieces)]);
		for (size_t j = 0; j < 24; j++)
			compare(pattern, subjects[j]);
	}
}

static void a_list_matches_if_any_pattern_does(void **state)
{
	static const struct {
		const char *subject;
		enum regex_verdict verdict;
	} cases[] = {
		{"xfoox", REGEX_YES},  {"FOO", REGEX_NO},    {"BAR", REGEX_YES}, {"aa", REGEX_YES},
		{"abba", REGEX_YES},   {"cdcd", REGEX_YES},  {"ab", REGEX_NO},   {"", REGEX_NO},
		{"p4321q", REGEX_YES}, {"p9999q", REGEX_NO},
	};
	struct regex_list *list = regex_list_create();
	struct err_text why;

	(void)state;
	assert_true(regex_list_add(list, STR("foo"), 0, &why));
	assert_true(regex_list_add(list, STR("bar"), REGEX_NOCASE, &why));
	assert_true(regex_list_add(list, STR("(a)\\1"), 0, &why));
	assert_true(regex_list_add(list, STR("(b)\\1"), 0, &why));
	assert_true(regex_list_add(list, STR("(cd)\\1|nothing"), 0, &why));
	assert_false(regex_list_add(list, STR("(?:x)"), 0, &why));
	for (int i = 0; i < 5000; i++) { /* more than one program holds */
		char pattern[32];

		snprintf(pattern, sizeof(pattern), "p%dq", i);
		assert_true(regex_list_add(list, str_of(pattern), 0, &why));
	}
	regex_list_seal(list);
	assert_int_equal(regex_list_count(list), 5005);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (regex_list_match(list, str_of(cases[i].subject)) != cases[i].verdict)
			fail_msg("'%s'", cases[i].subject);
	regex_list_destroy(list);
}

static void an_empty_list_never_matches(void **state)
{
	struct regex_list *list = regex_list_create();

	(void)state;
	regex_list_seal(list);
	assert_int_equal(regex_list_match(list, STR("x")), REGEX_NO);
	assert_int_equal(regex_list_match(list, STR_NONE), REGEX_NO);
	regex_list_destroy(list);
}

static unsigned nsaid;
static void count_warnings(int level, const char *line, size_t len)
{
	(void)level;
	(void)len;
	nsaid += strstr(line, "too many steps") != NULL;
}

static void too_many_steps_are_undecided_and_said_once(void **state)
{
	struct err_text why;
	struct regex *regex = regex_compile(STR("^((a|aa)+)+\\1$"), 0, &why);
	char subject[64];

	(void)state;
	memset(subject, 'a', sizeof(subject));
	subject[sizeof(subject) - 1] = 'b';
	assert_non_null(regex);
	log_set_sink(count_warnings);
	for (int i = 0; i < 3; i++)
		assert_int_equal(regex_match(regex, (struct str){subject, sizeof(subject)}),
		                 REGEX_UNDECIDED);
	log_set_sink(NULL);
	assert_int_equal(nsaid, 1);
	regex_destroy(regex);
}

/* Neither the translation nor PCRE2 may recurse without a bound. */
static void absurd_patterns_are_refused_in_good_time(void **state)
{
	static const char *const bricks[] = {"(", "a*", "a{2}", "{2}", "[", "(a", "\\", "a|"};
	static char too_long[REGEX_MAX_PATTERN_BYTES + 1];
	struct err_text why;

	(void)state;
	for (size_t i = 0; i < COUNT(bricks); i++) {
		size_t each = strlen(bricks[i]), n = (REGEX_MAX_PATTERN_BYTES - 1) / each;
		char *pattern = mem_zalloc(n * each + 2);

		pattern[0] = 'x';
		for (size_t j = 0; j < n; j++)
			memcpy(pattern + 1 + j * each, bricks[i], each);
		regex_destroy(regex_compile(str_of(pattern), 0, &why));
		mem_free(pattern);
	}
	assert_null(regex_compile((struct str){"a\0b", 3}, 0, &why));
	memset(too_long, 'a', sizeof(too_long));
	assert_null(regex_compile((struct str){too_long, sizeof(too_long)}, 0, &why));
}

static void escapes_that_only_perl_knows_are_seen(void **state)
{
	(void)state;
	assert_true(regex_has_perl_escape(STR("^\\d+$")));
	assert_true(regex_has_perl_escape(STR("a\\tb")));
	assert_false(regex_has_perl_escape(STR("\\w\\s\\b\\.\\\\d\\1")));
}

static void *match_in_thread(void *regex)
{
	for (int i = 0; i < 1000; i++)
		check(regex_match(regex, STR("xxabcabcx")) == REGEX_YES);
	return NULL;
}

static void threads_share_a_pattern(void **state)
{
	struct err_text why;
	struct regex *regex = regex_compile(STR("(abc)\\1"), 0, &why);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, match_in_thread, regex), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	regex_destroy(regex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_mean_what_glibc_takes_them_for),
		cmocka_unit_test(random_patterns_mean_the_same_too),
		cmocka_unit_test(a_list_matches_if_any_pattern_does),
		cmocka_unit_test(an_empty_list_never_matches),
		cmocka_unit_test(too_many_steps_are_undecided_and_said_once),
		cmocka_unit_test(absurd_patterns_are_refused_in_good_time),
		cmocka_unit_test(escapes_that_only_perl_knows_are_seen),
		cmocka_unit_test(threads_share_a_pattern),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* [flags byte] PATTERN NUL SUBJECT: ours refuses what glibc refuses, and matches what it matches.
 *
 * Not compared: back-references, where glibc's own answers are not reliable, and repetitions so
 * large that one of the two runs out of room. */
#include "tests/fuzz/fuzz.h"

#include <regex.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/regex.h"

enum {
	MAX_PATTERN = 200,
	MAX_SUBJECT = 200,
	MAX_REPEATS = 2, /* of {} in one pattern, each of one digit */
	MAX_SIGNS = 8,   /* + * and ?: glibc may double its work with each */
};

static bool is_comparable(struct str pattern)
{
	unsigned nrepeats = 0, nsigns = 0, ndigits = 0;

	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.at[i];
		bool is_digit = c >= '0' && c <= '9';

		ndigits = is_digit ? ndigits + 1 : 0;
		nrepeats += c == '{';
		nsigns += c == '+' || c == '*' || c == '?';
		if (ndigits > 1 || nrepeats > MAX_REPEATS || nsigns > MAX_SIGNS)
			return false;
		if (is_digit && i > 0 && pattern.at[i - 1] == '\\')
			return false;
	}
	return true;
}

static void compare(const char *pattern, const char *subject, unsigned flags)
{
	struct regex *ours;
	struct err_text why;
	enum regex_verdict verdict;
	regex_t glibc;
	bool is_match;

	ours = regex_compile(str_of(pattern), flags, &why);
	if (regcomp(&glibc, pattern,
	            REG_EXTENDED | REG_NOSUB | (flags & REGEX_NOCASE ? REG_ICASE : 0)) != 0) {
		check(ours == NULL);
		return;
	}
	check(ours != NULL);
	is_match = regexec(&glibc, subject, 0, NULL, 0) == 0;
	regfree(&glibc);
	verdict = regex_match(ours, str_of(subject));
	check(verdict == REGEX_UNDECIDED || is_match == (verdict == REGEX_YES));
	regex_destroy(ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str input = {(const char *)bytes, len}, pattern, subject;
	unsigned flags = len > 0 && bytes[0] & 1 ? REGEX_NOCASE : 0;
	char *pattern_text, *subject_text;
	struct err_text why;

	input = str_from(input, 1);
	pattern = str_first(input, str_find_char(input, '\0'));
	subject = str_from(input, pattern.len + 1);
	subject = str_first(subject, str_find_char(subject, '\0'));
	pattern_text = str_dup(pattern);
	subject_text = str_dup(subject);
	if (pattern.len <= MAX_PATTERN && subject.len <= MAX_SUBJECT && is_comparable(pattern))
		compare(pattern_text, subject_text, flags);
	else
		regex_destroy(regex_compile(pattern, flags, &why));
	mem_free(pattern_text);
	mem_free(subject_text);
	return 0;
}

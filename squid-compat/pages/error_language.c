/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/pages/error_language.h"

#include "lib/base/check.h"

enum {
	MAX_RANGES = 32, /* of an Accept-Language that are read */
	FULL_WEIGHT = 1000,
};

static const char *const tags[ERROR_LANGUAGES] = {
	[ERROR_ENGLISH] = "en", [ERROR_GERMAN] = "de",   [ERROR_FRENCH] = "fr",
	[ERROR_SPANISH] = "es", [ERROR_JAPANESE] = "ja",
};

const char *error_language_tag(enum error_language language)
{
	check((unsigned)language < ERROR_LANGUAGES);
	return tags[language];
}

enum error_language error_language_of(struct str tag)
{
	struct str first = str_first(tag, str_find_char(tag, '-'));

	for (unsigned i = 0; i < ERROR_LANGUAGES; i++)
		if (str_eq_nocase(first, str_of(tags[i])))
			return (enum error_language)i;
	return ERROR_LANGUAGES;
}

/* "0", "0.375", "1": in thousandths; what is no weight weighs nothing. */
static int weight_of(struct str text)
{
	int weight = 0, place = FULL_WEIGHT;

	for (size_t i = 0; i < text.len && i < 5; i++) {
		char c = text.at[i];

		if (i == 1 && c == '.')
			continue;
		if (c < '0' || c > '9')
			return 0;
		weight += (c - '0') * place;
		place /= 10;
	}
	return weight > FULL_WEIGHT ? FULL_WEIGHT : weight;
}

/* Cuts ";q=..." off a range. */
static int cut_weight(struct str *range)
{
	size_t semicolon = str_find_char(*range, ';');
	struct str weight = str_trim(str_from(*range, semicolon + 1));

	*range = str_trim(str_first(*range, semicolon));
	if (weight.len == 0)
		return FULL_WEIGHT;
	return str_starts_with_nocase(weight, STR("q=")) ? weight_of(str_trim(str_from(weight, 2)))
	                                                 : 0;
}

enum error_language error_language_choose(struct str accept, enum error_language otherwise,
					  struct str *missing)
{
	enum error_language best = ERROR_LANGUAGES;
	int best_weight = 0;
	struct str range;

	*missing = STR_NONE;
	for (int i = 0; i < MAX_RANGES && str_split(&accept, ',', &range); i++) {
		int weight = cut_weight(&range);
		bool is_any = str_eq(range, STR("*"));
		enum error_language language = is_any ? otherwise : error_language_of(range);

		if (language == ERROR_LANGUAGES && missing->len == 0)
			*missing = range;
		if (language < ERROR_LANGUAGES && weight > best_weight) {
			best = language;
			best_weight = weight;
		}
	}
	if (best == ERROR_LANGUAGES)
		return otherwise;
	*missing = STR_NONE;
	return best;
}

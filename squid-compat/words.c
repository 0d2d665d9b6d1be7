/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/words.h"

struct str words_rest(const struct words *words, size_t i)
{
	if (i >= words->n)
		return STR_NONE;
	return str_trim(str_from(words->line, words->at[i].raw_at));
}

struct str words_text(const struct words *words, size_t i)
{
	return i < words->n ? words->at[i].text : STR_NONE;
}

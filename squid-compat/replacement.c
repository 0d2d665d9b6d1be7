/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/replacement.h"

#include "lib/base/check.h"

static enum replacement heap_of(struct str key, struct report *report)
{
	static const char *const keys[REPLACEMENTS] = {
		[REPLACEMENT_LRU] = "LRU",
		[REPLACEMENT_GDSF] = "GDSF",
		[REPLACEMENT_LFUDA] = "LFUDA",
	};

	for (size_t i = REPLACEMENT_LRU; i < COUNT(keys); i++)
		if (str_eq(key, str_of(keys[i])))
			return (enum replacement)i;
	report_say(report, REPORT_WARNING,
	           "'heap %.*s' is none of heap LRU, heap GDSF, heap LFUDA: it means heap LRU",
	           STR_ARG(str_first(key, 200)));
	return REPLACEMENT_LRU;
}

bool replacement_parse(const struct words *words, struct report *report, enum replacement *out)
{
	struct str name = words_text(words, 1);
	size_t nwords = 2;

	if (str_eq(name, STR("lru"))) {
		*out = REPLACEMENT_LRU;
	} else if (str_eq(name, STR("heap"))) {
		*out = heap_of(words_text(words, nwords++), report);
	} else {
		report_say(report, REPORT_ERROR,
		           "'%.*s' is none of lru, heap LRU, heap GDSF, heap LFUDA: ignored",
		           STR_ARG(str_first(name, 200)));
		return false;
	}
	if (nwords < words->n)
		report_say(report, REPORT_WARNING, "'%.*s' behind the value is ignored",
		           STR_ARG(str_first(words_rest(words, nwords), 200)));
	return true;
}

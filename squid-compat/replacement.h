/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/replacement.h: memory_replacement_policy and cache_replacement_policy: who leaves
 * when memory or a cache_dir is full. Squid: cf.data.pre.
 *
 *     lru | heap LRU|GDSF|LFUDA
 * Threads: any. */
#ifndef SQUID_COMPAT_REPLACEMENT_H
#define SQUID_COMPAT_REPLACEMENT_H
#include <stdbool.h>

#include "squid-compat/report.h"
#include "squid-compat/words.h"

enum replacement {
	REPLACEMENT_OWN, /* not said (Squid: lru) */
	REPLACEMENT_LRU,
	REPLACEMENT_GDSF,
	REPLACEMENT_LFUDA,
	REPLACEMENTS
};

/* words: a line of either directive. As in Squid the words are case-sensitive, and a heap of
 * something else is one of LRU. False, and *out untouched: no such policy; the report says so. */
bool replacement_parse(const struct words *words, struct report *report, enum replacement *out);

#endif

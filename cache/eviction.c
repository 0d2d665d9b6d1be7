/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/eviction.h"

const char *eviction_name(enum eviction eviction)
{
	static const char *const names[EVICTIONS] = {
		[EVICTION_OWN] = "sieve",
		[EVICTION_LRU] = "lru",
		[EVICTION_GDSF] = "gdsf",
		[EVICTION_LFUDA] = "lfuda",
	};

	return names[eviction];
}

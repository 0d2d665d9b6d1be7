/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/eviction.h: the policies by which memory and disks choose who leaves when they are full.
 * Squid: cf.data.pre, memory_replacement_policy, cache_replacement_policy. */
#ifndef CACHE_EVICTION_H
#define CACHE_EVICTION_H

enum eviction {
	EVICTION_OWN,   /* SIEVE with size classes: small and asked for again stays */
	EVICTION_LRU,   /* the least recently used leaves */
	EVICTION_GDSF,  /* by uses for a byte, old ones fade: the most hits */
	EVICTION_LFUDA, /* by uses, old ones fade: the most bytes of hits */
	EVICTIONS
};

/* "sieve", "lru", "gdsf", "lfuda". */
const char *eviction_name(enum eviction eviction);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_victims.h: who leaves a full disk by other policies than our own
 * (cache/eviction.h).
 *
 * Rows are looked at by windows, in the order of the file; of each window the lowest eighth goes.
 * lru: what was used longest ago, in sixteenths of the time in which as much is stored as the disk
 * holds, then by the time in the row. GDSF, LFUDA: what was asked for least lately
 * (cache/disk/disk_admission.h), GDSF for its bytes; the oldest first.
 *
 * Threads: the writer's. */
#ifndef CACHE_DISK_VICTIMS_H
#define CACHE_DISK_VICTIMS_H
#include <stdint.h>

#include "cache/eviction.h"

struct disk_admission;
struct disk_index;

struct disk_victim {
	uint64_t id, key, size;
	uint64_t used_s; /* when, as far as the row knows */
	uint64_t worth_;
};

enum { DISK_VICTIMS = 64 }; /* a window, at most */

/* Puts those that are to go in front; returns how many, of n, at least one of one. Not for
 * EVICTION_OWN. */
unsigned disk_victims_choose(enum eviction policy, struct disk_index *index,
			     const struct disk_admission *admission, struct disk_victim *victims,
			     unsigned n);

#endif

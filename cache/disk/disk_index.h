/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_index.h: what is on disk, in memory: 16 bytes an object, so that a look-up that
 * misses asks nobody.
 *
 * 64 shards by the key's upper bits, each an open table of (key, id) that grows by a fourth at 80 %
 * fill, at another moment than the others: some 22 bytes an object, and no more than a few percent
 * of all of it at once. Beside the id lie a size class, a small counter for eviction (SIEVE: a hit
 * raises it, the passing hand lowers it; how much depends on the class), hits seen since the start,
 * and hits not yet in the file. For LRU an age takes the place of class and counter.
 *
 * Threads: any may look, hit and remove; only one (the writer) inserts and clears. A call holds one
 * shard's lock at a time and allocates without it. */
#ifndef CACHE_DISK_INDEX_H
#define CACHE_DISK_INDEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_index; /* opaque */

struct disk_index *disk_index_create(void);
void disk_index_destroy(struct disk_index *index); /* accepts NULL */

/* Ages are kept, of 0 to DISK_INDEX_AGES - 1, in place of counters: nobody asks disk_index_judge.
 * Before anything is inserted. */
enum { DISK_INDEX_AGES = 32 };
void disk_index_keep_ages(struct disk_index *index);
/* All are older by one, but for the oldest. The writer's. */
void disk_index_grow_older(struct disk_index *index);
/* How often that was since it was inserted or hit; -1: it is not there. */
int disk_index_age(struct disk_index *index, uint64_t key, uint64_t id);

bool disk_index_has(struct disk_index *index, uint64_t key);
/* The ids under key, up to max, newest first; returns how many. */
unsigned disk_index_find(struct disk_index *index, uint64_t key, uint64_t *ids, unsigned max);

/* id: 1 to 2^40-1; bytes: what the object takes on disk. An entry that is there already stays as it
 * is. */
void disk_index_insert(struct disk_index *index, uint64_t key, uint64_t id, uint64_t bytes);
bool disk_index_remove(struct disk_index *index, uint64_t key, uint64_t id);
unsigned disk_index_remove_key(struct disk_index *index, uint64_t key); /* how many */
void disk_index_clear(struct disk_index *index);

/* Marks n hits; returns how many were marked before (up to 3). */
unsigned disk_index_hit(struct disk_index *index, uint64_t key, uint64_t id, unsigned n);
enum disk_index_judgement {
	DISK_INDEX_SPARED,  /* it was hit lately, or is small and new */
	DISK_INDEX_DUE,
	DISK_INDEX_UNKNOWN, /* not inserted yet, or removed already */
};
/* The hand passes. */
enum disk_index_judgement disk_index_judge(struct disk_index *index, uint64_t key, uint64_t id);

struct disk_index_hits {
	uint64_t id;
	uint32_t nhits;
};
/* Hits not yet taken, up to max (at least 1), which are then taken. *cursor starts at 0; returns 0
 * when all shards were seen. */
unsigned disk_index_take_hits(struct disk_index *index, unsigned *cursor,
			      struct disk_index_hits *out, unsigned max);

uint64_t disk_index_count(struct disk_index *index);
uint64_t disk_index_bytes(struct disk_index *index);

#endif

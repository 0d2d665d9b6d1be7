/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/index_internal.h: what index.c (chains, and what changes them), index_find.c (look-ups and
 * walks) and index_evict.c (who leaves when memory is short) share. */
#ifndef CACHE_INDEX_INTERNAL_H
#define CACHE_INDEX_INTERNAL_H
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/epoch.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"

/* Many, since a fetch is not stored when a removal of another key meanwhile shares its counter;
 * pages of them that nothing touched take no memory. */
enum { REMOVAL_COUNTERS = 1 << 20 };

/* Where an object stands (object->index_.place). REMOVED is for good: what was removed in flight
 * holds what a purge or a POST made void, and may not come back by index_insert. */
enum place {
	PLACE_NONE,
	PLACE_INFLIGHT,
	PLACE_STORED,
	PLACE_REMOVED,
};

/* The rank of an object after a use, above its shard's floor. */
typedef uint32_t index_rank_fn(const struct index *index, uint32_t floor, unsigned nuses,
			       size_t bytes);

/* Who leaves by rank (cache/index_rank.c): the stored ones by index_.node. */
enum { INDEX_LEVELS = 33 };
struct ranking {
	_Atomic(uint32_t) floor; /* of ranks; relaxed, written under the lock */
	unsigned sinking;        /* the list that is being filed anew, until it is empty */
	struct list levels[INDEX_LEVELS];
};

/* Chains by index_.next, newest first. Links are written under the shard's lock and followed
 * without it, within an epoch (lib/base/epoch.h): sequentially consistent, all of them. */
struct table {
	struct epoch_item retired;
	size_t nbuckets; /* a power of two */
	_Atomic(struct object *) buckets[];
};

struct shard {
	struct lock lock;
	_Atomic(struct table *) table;
	atomic_uint moves; /* odd while objects are being moved within the chains: who then finds
			      nothing looks again */
	size_t nentries;
	struct list queue; /* the stored ones by index_.node, oldest first */
	struct list *hand; /* the next to be judged; the queue's head: start over */
	uint64_t nevicted;
};

struct index {
	unsigned nshards;
	uint64_t seed;
	index_rank_fn *rank; /* NULL: SIEVE */
	atomic_size_t bytes, max_bytes;
	atomic_size_t nobjects;
	atomic_uint next_shard; /* to be evicted from */
	atomic_uint *removals; /* REMOVAL_COUNTERS; raised under the lock of the key's shard */
	struct ranking *rankings; /* a shard's in place of queue and hand; NULL: none */
	int64_t (*now_ms)(void);
	enum eviction policy;
	struct shard shards[];
};

/* The shard by the high bits, the bucket in it by the low ones. */
static inline struct shard *index_shard_of(struct index *index, uint64_t key)
{
	return &index->shards[(key >> 40) & (index->nshards - 1)];
}

static inline _Atomic(struct object *) *index_bucket_in(struct table *table, uint64_t key)
{
	return &table->buckets[key & (table->nbuckets - 1)];
}

static inline _Atomic(struct object *) *index_bucket_of(struct shard *shard, uint64_t key)
{
	return index_bucket_in(atomic_load(&shard->table), key);
}

static inline struct object *index_first_of(struct shard *shard, uint64_t key)
{
	return atomic_load(index_bucket_of(shard, key));
}

static inline struct object *index_next_of(struct object *object)
{
	return atomic_load(&object->index_.next);
}

static inline bool index_is_at(const struct object *object, uint64_t key, struct str url)
{
	return object->key == key && str_eq(object->url, url);
}

/* Onto a chain of victims, which are let go without the lock: once nobody stands on them any more.
 * Returns how many. */
void index_take_out_locked(struct index *index, struct shard *shard, struct object *object,
			   struct epoch_item **victims);
unsigned index_let_go(struct epoch_item *victims);

/* The marks of an object of that size when it comes, and one more hit on it (any thread). */
unsigned char index_first_marks(const struct index *index, size_t bytes);
void index_mark(struct index *index, const struct shard *shard, struct object *object);
/* A stored one, whose marks are set, takes its place among those that may leave. */
void index_file_locked(struct index *index, struct shard *shard, struct object *object);

/* ---- index_rank.c, where the index has rankings */
void index_rank_use(struct index *index, const struct shard *shard, struct object *object);
void index_rank_file_locked(struct index *index, struct shard *shard, struct object *object);
/* One step: who is to leave, or NULL, since somebody had to be filed anew. */
struct object *index_rank_judge_locked(struct index *index, struct shard *shard, bool *is_empty);

/* Until no more than max_bytes are in use. */
void index_evict(struct index *index);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Who leaves by rank: lru, GDSF, LFUDA (cache/eviction.h).
 *
 * A use writes the object's new rank, which is never lower than before, and moves nothing. The
 * lists of a shard are a radix heap. Its floor is the rank of who left last; list 0 holds who stood
 * at the floor when filed, list n who differed from it in bit n - 1 and not above. When the lists
 * below are empty, the floor rises to where the lowest list begins, and its objects are filed anew,
 * each by the rank that it has by then. So it is exactly the lowest rank that leaves; and nobody is
 * moved more than 32 times without having been used meanwhile. */
#include "cache/index_internal.h"
#include "lib/base/heap.h"

enum {
	TICK_SHIFT = 6,  /* a tick is 64 ms: 32 bits last for eight years */
	BYTE_SHIFT = 20, /* fixed point: a use of a MiB is worth 1 */
	USES_MAX = UINT8_MAX,
};

static uint32_t add(uint32_t a, uint64_t b)
{
	return b < UINT32_MAX - a ? a + (uint32_t)b : UINT32_MAX;
}

/* ---- the policies */

static uint32_t rank_by_time(const struct index *index, uint32_t floor, unsigned nuses,
			     size_t bytes)
{
	(void)floor;
	(void)nuses;
	(void)bytes;
	return (uint32_t)(index->now_ms() >> TICK_SHIFT);
}

/* Who has the most uses for a byte; what leaves raises the floor, above which new uses count. */
static uint32_t rank_by_uses_a_byte(const struct index *index, uint32_t floor, unsigned nuses,
				    size_t bytes)
{
	(void)index;
	return add(floor, (uint64_t)nuses * ((1U << BYTE_SHIFT) / (bytes + 1) + 1));
}

static uint32_t rank_by_uses(const struct index *index, uint32_t floor, unsigned nuses,
			     size_t bytes)
{
	(void)index;
	(void)bytes;
	return add(floor, nuses);
}

static index_rank_fn *const rank_functions[EVICTIONS] = {
	[EVICTION_LRU] = rank_by_time,
	[EVICTION_GDSF] = rank_by_uses_a_byte,
	[EVICTION_LFUDA] = rank_by_uses,
};

static struct ranking *ranking_of(struct index *index, const struct shard *shard)
{
	return &index->rankings[shard - index->shards];
}

static uint32_t floor_of(const struct ranking *ranking)
{
	return atomic_load_explicit(&ranking->floor, memory_order_relaxed);
}

static void set_rank(struct index *index, const struct shard *shard, struct object *object,
		     unsigned nuses)
{
	size_t bytes = atomic_load_explicit(&object->index_.bytes, memory_order_relaxed);
	uint32_t rank = index->rank(index, floor_of(ranking_of(index, shard)), nuses, bytes);

	if (rank != atomic_load_explicit(&object->index_.rank, memory_order_relaxed))
		atomic_store_explicit(&object->index_.rank, rank, memory_order_relaxed);
}

void index_rank_use(struct index *index, const struct shard *shard, struct object *object)
{
	unsigned nuses = atomic_load_explicit(&object->index_.marks, memory_order_relaxed);

	if (nuses < USES_MAX)
		atomic_store_explicit(&object->index_.marks, (unsigned char)++nuses,
				      memory_order_relaxed);
	set_rank(index, shard, object, nuses);
}

/* ---- the lists */

static unsigned level_of(uint32_t rank, uint32_t floor)
{
	return rank == floor ? 0 : 32 - (unsigned)__builtin_clz(rank ^ floor);
}

/* What a thread wrote by an older floor counts as the floor. */
static uint32_t rank_of(const struct ranking *ranking, const struct object *object)
{
	uint32_t rank = atomic_load_explicit(&object->index_.rank, memory_order_relaxed);

	return rank > floor_of(ranking) ? rank : floor_of(ranking);
}

static void file(struct ranking *ranking, struct object *object)
{
	unsigned level = level_of(rank_of(ranking, object), floor_of(ranking));

	list_push_back(&ranking->levels[level], &object->index_.node);
}

void index_rank_file_locked(struct index *index, struct shard *shard, struct object *object)
{
	lock_check_held(&shard->lock);
	set_rank(index, shard, object,
		 atomic_load_explicit(&object->index_.marks, memory_order_relaxed));
	file(ranking_of(index, shard), object);
}

/* What is below the level is empty: the floor rises to where it begins. */
static void begin_sinking(struct ranking *ranking, unsigned level)
{
	uint32_t bit = UINT32_C(1) << (level - 1);

	atomic_store_explicit(&ranking->floor, (floor_of(ranking) | bit) & ~(bit - 1),
			      memory_order_relaxed);
	ranking->sinking = level;
}

/* The list to look at: the one whose objects are being filed anew, else the lowest; INDEX_LEVELS:
 * all are empty. */
static unsigned level_to_judge(const struct ranking *ranking)
{
	unsigned level = ranking->sinking;

	if (!list_is_empty(&ranking->levels[level]))
		return level;
	for (level = 0; level < INDEX_LEVELS && list_is_empty(&ranking->levels[level]); level++)
		;
	return level;
}

struct object *index_rank_judge_locked(struct index *index, struct shard *shard, bool *is_empty)
{
	struct ranking *ranking = ranking_of(index, shard);
	unsigned level = level_to_judge(ranking);
	struct object *object;

	lock_check_held(&shard->lock);
	*is_empty = level == INDEX_LEVELS;
	if (*is_empty)
		return NULL;
	if (level > 0 && level != ranking->sinking)
		begin_sinking(ranking, level);
	object = CONTAINER(ranking->levels[level].next, struct object, index_.node);
	if (rank_of(ranking, object) == floor_of(ranking))
		return object;
	list_remove(&object->index_.node);
	file(ranking, object);
	return NULL;
}

/* ---- life */

void index_set_policy(struct index *index, enum eviction policy, int64_t (*now_ms)(void))
{
	index->policy = policy;
	index->rank = rank_functions[policy];
	index->now_ms = now_ms;
	if (!index->rank)
		return;
	index->rankings = mem_array(index->nshards, sizeof(*index->rankings));
	for (unsigned i = 0; i < index->nshards; i++) {
		struct ranking *ranking = &index->rankings[i];

		for (unsigned level = 0; level < INDEX_LEVELS; level++)
			list_init(&ranking->levels[level]);
	}
}

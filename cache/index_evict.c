/* SPDX-License-Identifier: BSD-2-Clause */
/* Who leaves when memory is short: SIEVE with a small counter (cache/index.h), or who has the
 * lowest rank (cache/index_rank.c). */
#include "cache/index_internal.h"

enum { HAND_STEPS_A_LOCK = 64 };

/* How many visits of the hand an object outlives without a hit, what a hit adds, and at most.
 * Sparing a small object costs little memory and saves a whole request, so it is worth more. The
 * figures are those that did best on Zipf streams of several cache sizes, with and without scans
 * (tests/bench/eviction_bench.c replays one). */
static const struct size_class {
	size_t max_bytes; /* a KiB is for the head and the rest */
	unsigned char start, step, most;
} size_classes[] = {
	{(4 + 1) << 10, 8, 8, 48},
	{(8 + 1) << 10, 5, 5, 30},
	{(16 + 1) << 10, 3, 3, 15},
	{(32 + 1) << 10, 2, 2, 8},
	{(64 + 1) << 10, 1, 1, 4},
	{(128 + 1) << 10, 0, 1, 2},
	{SIZE_MAX, 0, 1, 1},
};

static const struct size_class *class_of(size_t bytes)
{
	const struct size_class *row = size_classes;

	while (bytes > row->max_bytes)
		row++;
	return row;
}

unsigned char index_first_marks(const struct index *index, size_t bytes)
{
	return index->rank ? 1 : class_of(bytes)->start;
}

static const struct size_class *class_of_object(const struct object *object)
{
	return class_of(atomic_load_explicit(&object->index_.bytes, memory_order_relaxed));
}

void index_mark(struct index *index, const struct shard *shard, struct object *object)
{
	const struct size_class *row = class_of_object(object);
	unsigned char marks = atomic_load_explicit(&object->index_.marks, memory_order_relaxed);

	if (index->rank)
		index_rank_use(index, shard, object);
	else if (marks < row->most)
		atomic_store_explicit(&object->index_.marks, marks + row->step,
				      memory_order_relaxed);
}

bool index_is_hot(const struct index *index, const struct object *object)
{
	const struct size_class *row = class_of_object(object);
	int hot = index->rank ? 2 : row->start + row->step;

	return atomic_load_explicit(&object->index_.marks, memory_order_relaxed) >= hot;
}

void index_file_locked(struct index *index, struct shard *shard, struct object *object)
{
	if (index->rank)
		index_rank_file_locked(index, shard, object);
	else
		list_push_back(&shard->queue, &object->index_.node);
}

/* ---- the hand */

static bool is_too_large(const struct index *index)
{
	return atomic_load_explicit(&index->bytes, memory_order_relaxed) >
	       atomic_load_explicit(&index->max_bytes, memory_order_relaxed);
}

static void evict_locked(struct index *index, struct shard *shard, struct object *object,
			 struct epoch_item **victims)
{
	index_take_out_locked(index, shard, object, victims);
	shard->nevicted++;
}

/* The hand goes on until enough is free or it has made its steps. False: nothing to judge. */
static bool evict_some_locked(struct index *index, struct shard *shard, struct epoch_item **victims)
{
	if (list_is_empty(&shard->queue))
		return false;
	for (int i = 0; i < HAND_STEPS_A_LOCK && is_too_large(index); i++) {
		struct object *object;
		unsigned char marks;

		if (shard->hand == &shard->queue)
			shard->hand = shard->queue.next;
		if (shard->hand == &shard->queue)
			break;
		object = CONTAINER(shard->hand, struct object, index_.node);
		marks = atomic_load_explicit(&object->index_.marks, memory_order_relaxed);
		if (marks > 0) {
			atomic_store_explicit(&object->index_.marks, marks - 1,
					      memory_order_relaxed);
			shard->hand = shard->hand->next;
		} else {
			evict_locked(index, shard, object, victims);
		}
	}
	return true;
}

/* The same by rank. */
static bool evict_lowest_locked(struct index *index, struct shard *shard,
				struct epoch_item **victims)
{
	bool is_empty = false;

	for (int i = 0; i < HAND_STEPS_A_LOCK && is_too_large(index) && !is_empty; i++) {
		struct object *object = index_rank_judge_locked(index, shard, &is_empty);

		if (object)
			evict_locked(index, shard, object, victims);
	}
	return !is_empty;
}

/* One shard after the other, so that all are swept alike. */
void index_evict(struct index *index)
{
	unsigned nempty = 0;

	while (is_too_large(index) && nempty < index->nshards) {
		unsigned next =
			atomic_fetch_add_explicit(&index->next_shard, 1, memory_order_relaxed);
		struct shard *shard = &index->shards[next & (index->nshards - 1)];
		struct epoch_item *victims = NULL;
		bool had_some;

		lock_take(&shard->lock);
		had_some = index->rank ? evict_lowest_locked(index, shard, &victims)
					  : evict_some_locked(index, shard, &victims);
		lock_drop(&shard->lock);
		nempty = had_some ? 0 : nempty + 1;
		index_let_go(victims);
	}
}

void index_set_max_bytes(struct index *index, size_t max_bytes)
{
	atomic_store_explicit(&index->max_bytes, max_bytes, memory_order_relaxed);
	index_evict(index);
}

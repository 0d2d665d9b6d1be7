/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-ups and walks through what is indexed. */
#include "cache/index_internal.h"
#include "cache/vary.h"

enum { FINDS_A_TIDYING = 4096 }; /* a thread's look-ups between those that tidy up as well */

/* ---- looking up: within an epoch, or under the lock */

/* To be read from its beginning, now or as it comes. */
static bool is_readable(const struct object *object, enum object_state state)
{
	return (state == OBJECT_COMPLETE || state == OBJECT_FILLING) &&
	       object_has_beginning(object);
}

/* The newest under the URL whose head is known and which answers the request, else one without a
 * head. */
static struct object *look_up(struct shard *shard, uint64_t key, struct str url,
			      const struct http_head *request, bool *has_head)
{
	struct object *without_head = NULL;

	*has_head = true;
	for (struct object *object = index_first_of(shard, key); object;
	     object = index_next_of(object)) {
		enum object_state state;

		if (!index_is_at(object, key, url))
			continue;
		state = object_state(object);
		if (state == OBJECT_EMPTY && !without_head)
			without_head = object;
		else if (is_readable(object, state) && vary_matches(object->vary, request))
			return object;
	}
	*has_head = false;
	return without_head;
}

/* The index's own reference outlives the epoch, so another one may be taken. */
static struct object *take(struct index *index, struct shard *shard, struct object *object)
{
	if (!object)
		return NULL;
	index_mark(index, shard, object);
	return index_is_hot(index, object) ? object_ref_often(object) : object_ref(object);
}

/* False: an object may have been passed by while it moved, or there is no epoch for this thread. */
static bool find_without_lock(struct index *index, uint64_t key, struct str url,
			      const struct http_head *request, bool *has_head, struct object **out)
{
	struct shard *shard = index_shard_of(index, key);
	unsigned moves = atomic_load(&shard->moves);

	if (!epoch_enter())
		return false;
	*out = take(index, shard, look_up(shard, key, url, request, has_head));
	epoch_leave();
	return *out || (moves % 2 == 0 && moves == atomic_load(&shard->moves));
}

/* What this thread has to give back does not wait for ever. */
static void tidy_up_now_and_then(void)
{
	static _Thread_local unsigned nfinds;

	if (++nfinds % FINDS_A_TIDYING != 0)
		return;
	object_tidy_held();
	epoch_reclaim();
}

struct object *index_find_told(struct index *index, uint64_t key, struct str url,
			       const struct http_head *request, bool *has_head)
{
	struct shard *shard = index_shard_of(index, key);
	struct object *object;

	tidy_up_now_and_then();
	if (find_without_lock(index, key, url, request, has_head, &object))
		return object;
	lock_take(&shard->lock);
	object = look_up(shard, key, url, request, has_head);
	if (object) {
		index_mark(index, shard, object);
		object_ref(object);
	}
	lock_drop(&shard->lock);
	return object;
}

struct object *index_find(struct index *index, uint64_t key, struct str url,
			  const struct http_head *request)
{
	bool has_head;

	return index_find_told(index, key, url, request, &has_head);
}

static bool is_anything_at(struct shard *shard, uint64_t key, struct str url)
{
	struct object *object = index_first_of(shard, key);

	while (object && !index_is_at(object, key, url))
		object = index_next_of(object);
	return object != NULL;
}

bool index_has_url(struct index *index, uint64_t key, struct str url)
{
	struct shard *shard = index_shard_of(index, key);
	unsigned moves = atomic_load(&shard->moves);
	bool has_one;

	if (epoch_enter()) {
		has_one = is_anything_at(shard, key, url);
		epoch_leave();
		if (has_one || (moves % 2 == 0 && moves == atomic_load(&shard->moves)))
			return has_one;
	}
	lock_take(&shard->lock);
	has_one = is_anything_at(shard, key, url);
	lock_drop(&shard->lock);
	return has_one;
}

unsigned index_variants(struct index *index, uint64_t key, struct str url, struct object **out,
			unsigned max)
{
	struct shard *shard = index_shard_of(index, key);
	unsigned n = 0;

	lock_take(&shard->lock);
	for (struct object *object = index_first_of(shard, key); object && n < max;
	     object = index_next_of(object))
		if (index_is_at(object, key, url) && object->index_.place == PLACE_STORED)
			out[n++] = object_ref(object);
	lock_drop(&shard->lock);
	return n;
}

/* ---- walking */

/* The next of nbuckets in an order that a doubling of the table keeps: the highest bit counts
 * first. 0 at the end. */
static uint64_t next_bucket(uint64_t bucket, size_t nbuckets)
{
	uint64_t bit = nbuckets >> 1;

	while (bucket & bit) {
		bucket &= ~bit;
		bit >>= 1;
	}
	return bucket | bit;
}

/* Whole chains, as many as fit; *bucket is 0 at the end of the shard. */
static unsigned visit_locked(struct shard *shard, uint64_t *bucket, struct object **out,
			     unsigned max)
{
	enum { BUCKETS_A_LOCK = 512 };
	struct table *table = atomic_load(&shard->table);
	unsigned n = 0;

	lock_check_held(&shard->lock);
	for (int i = 0; i < BUCKETS_A_LOCK; i++) {
		unsigned before = n;
		struct object *object =
			atomic_load(&table->buckets[*bucket & (table->nbuckets - 1)]);

		for (; object && n < max; object = index_next_of(object))
			out[n++] = object;
		if (object && before > 0) { /* it has its turn with the next call */
			n = before;
			break;
		}
		*bucket = next_bucket(*bucket & (table->nbuckets - 1), table->nbuckets);
		if (*bucket == 0)
			break;
	}
	for (unsigned i = 0; i < n; i++)
		object_ref(out[i]);
	return n;
}

unsigned index_visit(struct index *index, uint64_t *cursor, struct object **out, unsigned max)
{
	enum { SHARD_BIT = 48 };
	uint64_t nth = *cursor >> SHARD_BIT;
	uint64_t bucket = *cursor & ((UINT64_C(1) << SHARD_BIT) - 1);
	struct shard *shard = &index->shards[nth];
	unsigned n;

	lock_take(&shard->lock);
	n = visit_locked(shard, &bucket, out, max);
	lock_drop(&shard->lock);
	if (bucket == 0)
		nth = (nth + 1) % index->nshards;
	*cursor = nth << SHARD_BIT | bucket;
	return n;
}

void index_stats(const struct index *index, struct index_stats *out)
{
	*out = (struct index_stats){
		.nobjects = atomic_load_explicit(&index->nobjects, memory_order_relaxed),
		.bytes = atomic_load_explicit(&index->bytes, memory_order_relaxed),
		.max_bytes = atomic_load_explicit(&index->max_bytes, memory_order_relaxed),
		.policy = index->policy,
	};
	for (unsigned i = 0; i < index->nshards; i++) {
		struct shard *shard = (struct shard *)&index->shards[i];

		lock_take(&shard->lock);
		out->nevicted += shard->nevicted;
		lock_drop(&shard->lock);
	}
}

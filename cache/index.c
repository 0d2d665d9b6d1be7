/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/index_internal.h"

#include <sys/mman.h>

#include "cache/key.h"
#include "lib/base/check.h"
#include "lib/base/epoch.h"
#include "lib/base/heap.h"

enum { NBUCKETS_AT_FIRST = 8 };

static void free_table(struct epoch_item *item)
{
	mem_free(CONTAINER(item, struct table, retired));
}

static struct table *create_table(size_t nbuckets)
{
	struct table *table = mem_zalloc(sizeof(*table) + nbuckets * sizeof(table->buckets[0]));

	table->nbuckets = nbuckets;
	table->retired.free = free_table;
	return table;
}

/* Pages of their own, which take memory only when something is removed. */
static atomic_uint *create_removals(void)
{
	void *pages = mmap(NULL, REMOVAL_COUNTERS * sizeof(atomic_uint), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(pages != MAP_FAILED);
	return pages;
}

struct index *index_create(unsigned nshards, size_t max_bytes, uint64_t seed)
{
	struct index *index = mem_zalloc(sizeof(*index) + nshards * sizeof(index->shards[0]));

	check(nshards > 0 && (nshards & (nshards - 1)) == 0);
	index->nshards = nshards;
	index->seed = seed;
	index->removals = create_removals();
	atomic_init(&index->max_bytes, max_bytes);
	for (unsigned i = 0; i < nshards; i++) {
		struct shard *shard = &index->shards[i];

		lock_init(&shard->lock);
		atomic_init(&shard->table, create_table(NBUCKETS_AT_FIRST));
		list_init(&shard->queue);
		shard->hand = &shard->queue;
	}
	return index;
}

uint64_t index_key(const struct index *index, struct str url)
{
	return cache_key_fingerprint(url, index->seed);
}

/* ---- taking out */

static void unlink_locked(struct shard *shard, struct object *object)
{
	_Atomic(struct object *) *at = index_bucket_of(shard, object->key);
	struct object *other;

	lock_check_held(&shard->lock);
	while ((other = atomic_load(at)) != object)
		at = &other->index_.next;
	/* Its own link stays, for who stands on it. */
	atomic_store(at, index_next_of(object));
	shard->nentries--;
	if (object->index_.place != PLACE_STORED)
		return;
	if (shard->hand == &object->index_.node)
		shard->hand = object->index_.node.next;
	list_remove(&object->index_.node);
}

static void free_victim(struct epoch_item *item)
{
	object_unref(CONTAINER(item, struct object, index_.retired));
}

static size_t bytes_of(const struct object *object)
{
	return atomic_load_explicit(&object->index_.bytes, memory_order_relaxed);
}

void index_take_out_locked(struct index *index, struct shard *shard, struct object *object,
			   struct epoch_item **victims)
{
	unlink_locked(shard, object);
	if (object->index_.place == PLACE_STORED) {
		atomic_fetch_sub_explicit(&index->bytes, bytes_of(object), memory_order_relaxed);
		atomic_fetch_sub_explicit(&index->nobjects, 1, memory_order_relaxed);
	}
	object->index_.place = PLACE_REMOVED;
	object->index_.retired = (struct epoch_item){.next = *victims, .free = free_victim};
	*victims = &object->index_.retired;
}

unsigned index_let_go(struct epoch_item *victims)
{
	unsigned n = 0;

	for (const struct epoch_item *victim = victims; victim; victim = victim->next)
		n++;
	epoch_retire(victims);
	return n;
}

static void destroy_shard(struct shard *shard)
{
	struct table *table = atomic_load(&shard->table);

	for (size_t i = 0; i < table->nbuckets; i++) {
		struct object *object = atomic_load(&table->buckets[i]), *next;

		for (; object; object = next) {
			next = index_next_of(object);
			object_unref(object);
		}
	}
	mem_free(table);
	lock_fini(&shard->lock);
}

void index_destroy(struct index *index)
{
	for (unsigned i = 0; index && i < index->nshards; i++)
		destroy_shard(&index->shards[i]);
	if (index) {
		munmap(index->removals, REMOVAL_COUNTERS * sizeof(atomic_uint));
		mem_free(index->rankings);
	}
	mem_free(index);
	epoch_reclaim();
	object_drop_held();
}

bool index_remove(struct index *index, struct object *object)
{
	struct shard *shard = index_shard_of(index, object->key);
	struct epoch_item *victims = NULL;

	lock_take(&shard->lock);
	if (object->index_.place == PLACE_STORED || object->index_.place == PLACE_INFLIGHT)
		index_take_out_locked(index, shard, object, &victims);
	lock_drop(&shard->lock);
	return index_let_go(victims) > 0;
}

static atomic_uint *removals_of(struct index *index, uint64_t key)
{
	return &index->removals[(key >> 20) % REMOVAL_COUNTERS];
}

void index_expect_removals(struct index *index, uint64_t key)
{
	__builtin_prefetch(removals_of(index, key));
}

unsigned index_removals(struct index *index, uint64_t key)
{
	return atomic_load_explicit(removals_of(index, key), memory_order_relaxed);
}

unsigned index_remove_all(struct index *index, uint64_t key, struct str url)
{
	struct shard *shard = index_shard_of(index, key);
	struct epoch_item *victims = NULL;
	struct object *object, *next;

	lock_take(&shard->lock);
	/* Relaxed: whoever puts an object in after this takes the same lock. */
	atomic_fetch_add_explicit(removals_of(index, key), 1, memory_order_relaxed);
	for (object = index_first_of(shard, key); object; object = next) {
		next = index_next_of(object);
		if (index_is_at(object, key, url))
			index_take_out_locked(index, shard, object, &victims);
	}
	lock_drop(&shard->lock);
	return index_let_go(victims);
}

bool index_remove_stored(struct index *index, uint64_t key, uint64_t disk_id)
{
	struct shard *shard = index_shard_of(index, key);
	struct epoch_item *victims = NULL;
	struct object *object, *next;

	lock_take(&shard->lock);
	for (object = index_first_of(shard, key); object; object = next) {
		next = index_next_of(object);
		if (object->key == key && atomic_load(&object->disk_id) == disk_id)
			index_take_out_locked(index, shard, object, &victims);
	}
	lock_drop(&shard->lock);
	return index_let_go(victims) > 0;
}

/* ---- putting in */

/* Around what moves objects within the chains. */
static void begin_move_locked(struct shard *shard)
{
	lock_check_held(&shard->lock);
	atomic_fetch_add(&shard->moves, 1);
}

static void end_move_locked(struct shard *shard)
{
	atomic_fetch_add(&shard->moves, 1);
}

/* Moves every chain to twice as many buckets, in its order. Who walks a chain meanwhile may be led
 * over to another one, and comes to its end. */
static void rehash_locked(struct shard *shard, struct table *fresh)
{
	struct table *old = atomic_load(&shard->table);

	begin_move_locked(shard);
	for (size_t i = 0; i < old->nbuckets; i++) {
		_Atomic(struct object *) *tails[2] = {&fresh->buckets[i],
						      &fresh->buckets[i + old->nbuckets]};
		struct object *object = atomic_load(&old->buckets[i]), *next;

		for (; object; object = next) {
			unsigned side = (object->key & old->nbuckets) != 0;

			next = index_next_of(object);
			atomic_store(tails[side], object);
			tails[side] = &object->index_.next;
		}
		atomic_store(tails[0], NULL);
		atomic_store(tails[1], NULL);
	}
	atomic_store(&shard->table, fresh);
	end_move_locked(shard);
}

static size_t nbuckets_locked(struct shard *shard)
{
	return atomic_load(&shard->table)->nbuckets;
}

/* Room for one more, allocated while the lock is not held. */
static void make_room(struct shard *shard)
{
	struct table *fresh, *old;
	size_t nbuckets;

	lock_take(&shard->lock);
	nbuckets = nbuckets_locked(shard);
	if (shard->nentries < nbuckets)
		nbuckets = 0;
	lock_drop(&shard->lock);
	if (nbuckets == 0)
		return;
	old = fresh = create_table(nbuckets * 2);
	lock_take(&shard->lock);
	if (nbuckets_locked(shard) == nbuckets) { /* nobody else did it meanwhile */
		old = atomic_load(&shard->table);
		rehash_locked(shard, fresh);
	}
	lock_drop(&shard->lock);
	epoch_retire(&old->retired);
}

static void link_locked(struct shard *shard, struct object *object)
{
	_Atomic(struct object *) *bucket = index_bucket_of(shard, object->key);

	atomic_store(&object->index_.next, atomic_load(bucket));
	atomic_store(bucket, object);
	shard->nentries++;
}

bool index_holds(struct index *index, struct object *object)
{
	struct shard *shard = index_shard_of(index, object->key);
	bool holds;

	lock_take(&shard->lock);
	holds = object->index_.place == PLACE_STORED || object->index_.place == PLACE_INFLIGHT;
	lock_drop(&shard->lock);
	return holds;
}

bool index_has_inflight(struct index *index, uint64_t key, struct str url)
{
	struct shard *shard = index_shard_of(index, key);
	struct object *object;

	lock_take(&shard->lock);
	for (object = index_first_of(shard, key); object; object = index_next_of(object))
		if (index_is_at(object, key, url) && object_state(object) == OBJECT_FILLING)
			break;
	lock_drop(&shard->lock);
	return object != NULL;
}

static unsigned count_inflight_locked(struct shard *shard, uint64_t key, struct str url)
{
	unsigned n = 0;

	for (struct object *object = index_first_of(shard, key); object;
	     object = index_next_of(object))
		n += index_is_at(object, key, url) && object->index_.place == PLACE_INFLIGHT;
	return n;
}

static bool has_any_locked(struct shard *shard, uint64_t key, struct str url)
{
	struct object *object = index_first_of(shard, key);

	while (object && !index_is_at(object, key, url))
		object = index_next_of(object);
	return object != NULL;
}

static bool insert_inflight(struct index *index, uint64_t key, struct str url,
			    struct object *object, bool is_first)
{
	struct shard *shard = index_shard_of(index, key);
	bool may;

	check(object->index_.place == PLACE_NONE && key != 0);
	make_room(shard);
	object_set_url(object, key, url);
	object_publish(object);
	lock_take(&shard->lock);
	may = is_first ? !has_any_locked(shard, key, url)
		       : count_inflight_locked(shard, key, url) < INDEX_MAX_VARIANTS;
	if (may) {
		object_ref(object);
		object->index_.place = PLACE_INFLIGHT;
		link_locked(shard, object);
	}
	lock_drop(&shard->lock);
	return may;
}

bool index_insert_inflight(struct index *index, uint64_t key, struct str url, struct object *object)
{
	return insert_inflight(index, key, url, object, false);
}

bool index_insert_first(struct index *index, uint64_t key, struct str url, struct object *object)
{
	return insert_inflight(index, key, url, object, true);
}

/* Stored, or all of it came: it gives way to a newer one. */
static bool has_settled(const struct object *object)
{
	return object->index_.place == PLACE_STORED || object_state(object) == OBJECT_COMPLETE;
}

/* One without Vary gives way to one that has it, which shows what it lacked (RFC 9111 §4.1). */
static bool is_replaced_by(const struct object *other, const struct object *object)
{
	return other->vary.len == 0 || str_eq(other->vary, object->vary);
}

/* Takes out what object replaces, and the oldest variant when there are too many. */
static void displace_locked(struct index *index, struct shard *shard, struct object *object,
			    struct epoch_item **victims)
{
	struct object *other, *next, *oldest = NULL;
	unsigned nvariants = 0;

	for (other = index_first_of(shard, object->key); other; other = next) {
		next = index_next_of(other);
		if (other == object || !has_settled(other) ||
		    !index_is_at(other, object->key, object->url))
			continue;
		if (is_replaced_by(other, object)) {
			unsigned char marks = atomic_load(&other->index_.marks);

			if (marks > atomic_load(&object->index_.marks))
				atomic_store(&object->index_.marks, marks);
			index_take_out_locked(index, shard, other, victims);
		} else if (other->index_.place == PLACE_STORED) {
			nvariants++;
			oldest = other;
		}
	}
	if (nvariants >= INDEX_MAX_VARIANTS)
		index_take_out_locked(index, shard, oldest, victims);
}

static void store_locked(struct index *index, struct shard *shard, struct object *object,
			 struct epoch_item **victims)
{
	size_t bytes = object_memory_bytes(object);

	atomic_store_explicit(&object->index_.bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&object->index_.marks, index_first_marks(index, bytes),
			      memory_order_relaxed);
	begin_move_locked(shard);
	if (object->index_.place == PLACE_INFLIGHT)
		unlink_locked(shard, object);
	else
		object_ref(object);
	object->index_.place = PLACE_STORED;
	displace_locked(index, shard, object, victims);
	link_locked(shard, object); /* in front: the newest */
	end_move_locked(shard);
	index_file_locked(index, shard, object);
	atomic_fetch_add_explicit(&index->bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&index->nobjects, 1, memory_order_relaxed);
}

bool index_insert(struct index *index, uint64_t key, struct object *object)
{
	struct shard *shard = index_shard_of(index, key);
	struct epoch_item *victims = NULL;
	bool was_removed;

	check(key != 0 && (object->key == 0 || object->key == key));
	if (!object_is_whole(object) ||
	    object_memory_bytes(object) >
		    atomic_load_explicit(&index->max_bytes, memory_order_relaxed)) {
		index_remove(index, object);
		return false;
	}
	object_publish(object);
	make_room(shard);
	lock_take(&shard->lock);
	was_removed = object->index_.place == PLACE_REMOVED;
	if (object->index_.place != PLACE_STORED && !was_removed) {
		if (object->index_.place == PLACE_NONE)
			object->key = key; /* else others may be reading it */
		store_locked(index, shard, object, &victims);
	}
	lock_drop(&shard->lock);
	index_let_go(victims);
	index_evict(index);
	return !was_removed;
}

bool index_replace(struct index *index, struct object *old, struct object *object)
{
	struct shard *shard = index_shard_of(index, old->key);
	struct epoch_item *victims = NULL;
	bool is_there;

	check(object_is_whole(object) && object->index_.place == PLACE_NONE);
	object_publish(object);
	lock_take(&shard->lock);
	is_there = old->index_.place == PLACE_STORED;
	if (is_there) {
		object->key = old->key;
		store_locked(index, shard, object, &victims);
	}
	lock_drop(&shard->lock);
	index_let_go(victims);
	index_evict(index);
	return is_there;
}

bool index_settle(struct index *index, struct object *object)
{
	struct shard *shard = index_shard_of(index, object->key);
	struct epoch_item *victims = NULL;
	bool is_there;

	lock_take(&shard->lock);
	is_there = object->index_.place == PLACE_INFLIGHT;
	if (is_there)
		displace_locked(index, shard, object, &victims);
	lock_drop(&shard->lock);
	index_let_go(victims);
	return is_there;
}

void index_note_growth(struct index *index, struct object *object)
{
	struct shard *shard = index_shard_of(index, object->key);
	size_t bytes = object_memory_bytes(object);

	lock_take(&shard->lock);
	if (object->index_.place == PLACE_STORED) {
		atomic_fetch_add_explicit(&index->bytes, bytes - bytes_of(object),
					  memory_order_relaxed);
		atomic_store_explicit(&object->index_.bytes, bytes, memory_order_relaxed);
	}
	lock_drop(&shard->lock);
	index_evict(index);
}

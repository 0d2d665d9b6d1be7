/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/partial_table.h"

#include "cache/object.h"
#include "cache/revalidate.h"
#include "cache/vary.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"

enum { NBUCKETS = 4096, MAX_ATTEMPTS = 4, LIST_SPARE = 64 };

struct partial_table {
	atomic_size_t max_bytes;
	atomic_size_t npartials; /* relaxed: a hint that there are none */
	struct {
		struct lock lock;
		struct partial *buckets[NBUCKETS];
		struct list queue; /* the longest unasked first */
		size_t bytes;
	} shared;
};

struct partial_table *partial_table_create(size_t max_bytes)
{
	struct partial_table *table = mem_zalloc(sizeof(*table));

	atomic_init(&table->max_bytes, max_bytes);
	lock_init(&table->shared.lock);
	list_init(&table->shared.queue);
	return table;
}

static struct partial **bucket_of(struct partial_table *table, uint64_t key)
{
	return &table->shared.buckets[key % NBUCKETS];
}

static bool is_at(const struct partial *partial, uint64_t key, struct str url)
{
	return partial->table_.key == key && str_eq(partial->about->url, url);
}

/* Onto a chain of victims, which are let go without the lock. */
static void take_out_locked(struct partial_table *table, struct partial *partial,
			    struct partial **victims)
{
	struct partial **at = bucket_of(table, partial->table_.key);

	lock_check_held(&table->shared.lock);
	while (*at != partial)
		at = &(*at)->table_.next;
	*at = partial->table_.next;
	list_remove(&partial->table_.node);
	table->shared.bytes -= partial->memory_bytes;
	atomic_fetch_sub_explicit(&table->npartials, 1, memory_order_relaxed);
	partial->table_.next = *victims;
	*victims = partial;
}

static unsigned let_go(struct partial *victims)
{
	unsigned n = 0;

	while (victims) {
		struct partial *next = victims->table_.next;

		partial_unref(victims);
		victims = next;
		n++;
	}
	return n;
}

static void evict_locked(struct partial_table *table, struct partial **victims)
{
	size_t max_bytes = atomic_load_explicit(&table->max_bytes, memory_order_relaxed);

	while (table->shared.bytes > max_bytes && !list_is_empty(&table->shared.queue))
		take_out_locked(
			table,
			CONTAINER(table->shared.queue.next, struct partial, table_.node), victims);
}

void partial_table_set_max_bytes(struct partial_table *table, size_t max_bytes)
{
	struct partial *victims = NULL;

	atomic_store_explicit(&table->max_bytes, max_bytes, memory_order_relaxed);
	lock_take(&table->shared.lock);
	evict_locked(table, &victims);
	lock_drop(&table->shared.lock);
	let_go(victims);
}

void partial_table_destroy(struct partial_table *table)
{
	if (!table)
		return;
	partial_table_set_max_bytes(table, 0);
	lock_fini(&table->shared.lock);
	mem_free(table);
}

bool partial_table_takes(const struct partial_table *table, uint64_t bytes)
{
	return bytes <
	       atomic_load_explicit(&table->max_bytes, memory_order_relaxed) / PARTIAL_SHARE;
}

bool partial_table_is_empty(const struct partial_table *table)
{
	return atomic_load_explicit(&table->npartials, memory_order_relaxed) == 0;
}

/* ---- finding */

struct wanted {
	uint64_t key;
	struct str url;
	const struct http_head *request; /* NULL: vary says which */
	struct str vary;
};

static bool suits(const struct partial *partial, const struct wanted *wanted)
{
	if (!is_at(partial, wanted->key, wanted->url))
		return false;
	return wanted->request ? vary_matches(partial->about->vary, wanted->request)
			       : str_eq(partial->about->vary, wanted->vary);
}

static struct partial *find(struct partial_table *table, const struct wanted *wanted,
			    unsigned removals)
{
	struct partial *partial, *victims = NULL;

	if (partial_table_is_empty(table))
		return NULL;
	lock_take(&table->shared.lock);
	partial = *bucket_of(table, wanted->key);
	while (partial && !suits(partial, wanted))
		partial = partial->table_.next;
	if (partial && partial->removals != removals) {
		take_out_locked(table, partial, &victims);
		partial = NULL;
	} else if (partial) {
		list_remove(&partial->table_.node);
		list_push_back(&table->shared.queue, &partial->table_.node);
		partial_ref(partial);
	}
	lock_drop(&table->shared.lock);
	let_go(victims);
	return partial;
}

struct partial *partial_table_find(struct partial_table *table, uint64_t key, struct str url,
				   const struct http_head *request, unsigned removals)
{
	return find(table, &(struct wanted){.key = key, .url = url, .request = request}, removals);
}

struct partial *partial_table_find_record(struct partial_table *table, uint64_t key,
					  struct str url, struct str vary, unsigned removals)
{
	return find(table, &(struct wanted){.key = key, .url = url, .vary = vary}, removals);
}

/* ---- adding */

static bool is_same(const struct partial *old, const struct object *about, uint64_t length)
{
	struct str a = revalidate_strong_validator(old->about);
	struct str b = revalidate_strong_validator(about);

	return a.at && b.at && str_eq(a, b) && old->length == length;
}

static void link_locked(struct partial_table *table, struct partial *partial)
{
	struct partial **bucket = bucket_of(table, partial->table_.key);

	partial_ref(partial);
	partial->table_.next = *bucket;
	*bucket = partial;
	list_push_back(&table->shared.queue, &partial->table_.node);
	table->shared.bytes += partial->memory_bytes;
	atomic_fetch_add_explicit(&table->npartials, 1, memory_order_relaxed);
}

/* Takes out the one with partial's record, unless that is not old (NULL: there should be none), and
 * the oldest variant when there are too many. False: somebody else was there first. */
static bool displace_locked(struct partial_table *table, const struct partial *partial,
			    const struct partial *old, struct partial **victims)
{
	const struct object *about = partial->about;
	struct partial *same = NULL, *oldest = NULL;
	unsigned nvariants = 0;

	for (struct partial *other = *bucket_of(table, partial->table_.key); other;
	     other = other->table_.next) {
		if (!is_at(other, partial->table_.key, about->url))
			continue;
		if (str_eq(other->about->vary, about->vary)) {
			same = other;
		} else {
			nvariants++;
			oldest = other;
		}
	}
	if (same != old)
		return false;
	if (same)
		take_out_locked(table, same, victims);
	if (nvariants >= PARTIAL_MAX_VARIANTS)
		take_out_locked(table, oldest, victims);
	return true;
}

/* In place of old. What is too large is not put in, but old is taken out all the same. */
static bool replace(struct partial_table *table, struct partial *partial,
		    const struct partial *old, bool fits)
{
	struct partial *victims = NULL;
	bool done;

	lock_take(&table->shared.lock);
	done = displace_locked(table, partial, old, &victims);
	if (done && fits) {
		link_locked(table, partial);
		evict_locked(table, &victims);
	}
	lock_drop(&table->shared.lock);
	let_go(victims);
	return done;
}

struct partial *partial_table_add(struct partial_table *table, uint64_t key,
				  const struct partial_addition *addition)
{
	const struct object *about = addition->about;

	for (int i = 0; i < MAX_ATTEMPTS; i++) {
		struct partial *old = partial_table_find_record(
			table, key, about->url, about->vary, addition->removals);
		bool is_more = old && is_same(old, about, addition->length);
		struct partial *made = partial_create(is_more ? old : NULL, addition);
		bool fits = partial_table_takes(table, made->memory_bytes), done;

		made->table_.key = key;
		done = replace(table, made, old, fits);
		partial_unref(old);
		if (done && fits)
			return made;
		partial_unref(made);
		if (done)
			return NULL;
	}
	return NULL;
}

/* ---- letting go */

unsigned partial_table_forget(struct partial_table *table, uint64_t key, struct str url)
{
	struct partial *victims = NULL, *partial, *next;

	if (partial_table_is_empty(table))
		return 0;
	lock_take(&table->shared.lock);
	for (partial = *bucket_of(table, key); partial; partial = next) {
		next = partial->table_.next;
		if (is_at(partial, key, url))
			take_out_locked(table, partial, &victims);
	}
	lock_drop(&table->shared.lock);
	return let_go(victims);
}

bool partial_table_remove(struct partial_table *table, struct partial *partial)
{
	struct partial *victims = NULL, *at;

	lock_take(&table->shared.lock);
	at = *bucket_of(table, partial->table_.key);
	while (at && at != partial)
		at = at->table_.next;
	if (at)
		take_out_locked(table, at, &victims);
	lock_drop(&table->shared.lock);
	return let_go(victims) > 0;
}

struct partial **partial_table_list(struct partial_table *table, size_t *n)
{
	size_t room = atomic_load_explicit(&table->npartials, memory_order_relaxed) + LIST_SPARE;
	struct partial **all = mem_array(room, sizeof(struct partial *));

	*n = 0;
	lock_take(&table->shared.lock);
	LIST_EACH (node, &table->shared.queue)
		if (*n < room) /* those of this very moment may wait for the next time */
			all[(*n)++] = partial_ref(CONTAINER(node, struct partial, table_.node));
	lock_drop(&table->shared.lock);
	return all;
}

size_t partial_table_bytes(struct partial_table *table)
{
	size_t bytes;

	lock_take(&table->shared.lock);
	bytes = table->shared.bytes;
	lock_drop(&table->shared.lock);
	return bytes;
}

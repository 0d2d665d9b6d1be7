/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_index.h"

#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"

enum {
	NSHARDS = 64,
	FIRST_SLOTS = 64,
	GROWTH = 4, /* by a fourth; FIRST_SLOTS / GROWTH different first sizes */
	/* rest: id 40 | counter 3, class 2 or stamp 5 | seen 2 | pending 17; 0: an empty slot */
	PENDING_BITS = 17,
	SEEN_SHIFT = PENDING_BITS,
	CLASS_SHIFT = SEEN_SHIFT + 2,
	COUNTER_SHIFT = CLASS_SHIFT + 2,
	STAMP_SHIFT = CLASS_SHIFT,
	STAMP_MAX = DISK_INDEX_AGES - 1,
	ID_SHIFT = COUNTER_SHIFT + 3,
	PENDING_MAX = (1 << PENDING_BITS) - 1,
	SEEN_MAX = 3,
	CLASS_MAX = 3,
	COUNTER_MAX = 7,
};

/* How many visits of the hand an object outlives without a hit, what a hit adds, and at most: a
 * small one takes little room and saves a whole request. */
static const struct size_class {
	uint64_t max_bytes;
	unsigned start, step, most;
} size_classes[] = {
	{16384, 2, 2, 6},
	{65536, 1, 1, 3},
	{UINT64_MAX, 0, 1, 1},
};

struct entry {
	uint64_t key, rest;
};

struct shard {
	struct {
		struct lock lock;
		struct entry *slots;
		uint32_t nslots, nused;
	} shared;
};

struct disk_index {
	bool has_ages;
	atomic_uint now; /* the stamp of what is used now; relaxed, written by the writer */
	struct shard shards[NSHARDS];
};

static struct shard *shard_of(struct disk_index *index, uint64_t key)
{
	return &index->shards[key >> 58];
}

static uint32_t home_of(uint64_t key, uint32_t nslots)
{
	return (uint32_t)((key & UINT32_MAX) * nslots >> 32);
}

static uint64_t id_of(const struct entry *entry)
{
	return entry->rest >> ID_SHIFT;
}

static unsigned field(const struct entry *entry, int shift, unsigned max)
{
	return (unsigned)(entry->rest >> shift) & max;
}

static void set_field(struct entry *entry, int shift, unsigned max, unsigned value)
{
	entry->rest &= ~((uint64_t)max << shift);
	entry->rest |= (uint64_t)(value < max ? value : max) << shift;
}

static unsigned class_of(uint64_t bytes)
{
	unsigned class = 0;

	while (bytes > size_classes[class].max_bytes)
		class++;
	return class;
}

struct disk_index *disk_index_create(void)
{
	struct disk_index *index = mem_zalloc(sizeof(*index));

	for (unsigned i = 0; i < NSHARDS; i++)
		lock_init(&index->shards[i].shared.lock);
	return index;
}

void disk_index_clear(struct disk_index *index)
{
	for (unsigned i = 0; i < NSHARDS; i++) {
		struct shard *shard = &index->shards[i];
		struct entry *old;

		lock_take(&shard->shared.lock);
		old = shard->shared.slots;
		shard->shared.slots = NULL;
		shard->shared.nslots = shard->shared.nused = 0;
		lock_drop(&shard->shared.lock);
		mem_free(old);
	}
}

void disk_index_destroy(struct disk_index *index)
{
	if (!index)
		return;
	disk_index_clear(index);
	for (unsigned i = 0; i < NSHARDS; i++)
		lock_fini(&index->shards[i].shared.lock);
	mem_free(index);
}

/* The next entry of key at or behind *at (slots from its home on); NULL at the end of the run. */
static struct entry *next_locked(struct shard *shard, uint64_t key, uint32_t *at)
{
	lock_check_held(&shard->shared.lock);
	while (shard->shared.slots[*at].rest != 0) {
		struct entry *entry = &shard->shared.slots[*at];

		*at = *at + 1 == shard->shared.nslots ? 0 : *at + 1;
		if (entry->key == key)
			return entry;
	}
	return NULL;
}

static struct entry *find_locked(struct shard *shard, uint64_t key, uint64_t id)
{
	struct entry *entry;
	uint32_t at;

	if (shard->shared.nslots == 0)
		return NULL;
	at = home_of(key, shard->shared.nslots);
	do {
		entry = next_locked(shard, key, &at);
	} while (entry && id != 0 && id_of(entry) != id);
	return entry;
}

bool disk_index_has(struct disk_index *index, uint64_t key)
{
	struct shard *shard = shard_of(index, key);
	bool found;

	lock_take(&shard->shared.lock);
	found = find_locked(shard, key, 0) != NULL;
	lock_drop(&shard->shared.lock);
	return found;
}

/* Keeps ids sorted downwards; the oldest falls off the end. */
static unsigned add_sorted(uint64_t *ids, unsigned n, unsigned max, uint64_t id)
{
	unsigned at = n;

	while (at > 0 && ids[at - 1] < id)
		at--;
	if (at == max)
		return n;
	if (n < max)
		n++;
	for (unsigned i = n - 1; i > at; i--)
		ids[i] = ids[i - 1];
	ids[at] = id;
	return n;
}

unsigned disk_index_find(struct disk_index *index, uint64_t key, uint64_t *ids, unsigned max)
{
	struct shard *shard = shard_of(index, key);
	unsigned n = 0;

	lock_take(&shard->shared.lock);
	if (shard->shared.nslots > 0) {
		uint32_t at = home_of(key, shard->shared.nslots);
		struct entry *entry;

		while ((entry = next_locked(shard, key, &at)))
			n = add_sorted(ids, n, max, id_of(entry));
	}
	lock_drop(&shard->shared.lock);
	return n;
}

static void put_locked(struct shard *shard, struct entry entry)
{
	uint32_t at = home_of(entry.key, shard->shared.nslots);

	while (shard->shared.slots[at].rest != 0)
		at = at + 1 == shard->shared.nslots ? 0 : at + 1;
	shard->shared.slots[at] = entry;
	shard->shared.nused++;
}

static bool is_crowded_locked(const struct shard *shard)
{
	return shard->shared.nused + 1 > (uint64_t)shard->shared.nslots * 4 / 5;
}

/* The shards begin with sizes that are spread over one step of growth, so that they never grow all
 * at once: the whole goes on in small segments, and its fill stays the same. */
static uint32_t first_slots(unsigned shard)
{
	return FIRST_SLOTS + shard * (FIRST_SLOTS / GROWTH) / NSHARDS;
}

/* Only the writer grows a shard, so what it saw of the size without the lock still holds. */
static void grow(struct disk_index *index, struct shard *shard)
{
	uint32_t old_n = shard->shared.nslots;
	uint32_t new_n = old_n ? old_n + old_n / GROWTH
			       : first_slots((unsigned)(shard - index->shards));
	struct entry *slots = mem_array(new_n, sizeof(*slots));
	struct entry *old = shard->shared.slots;

	lock_take(&shard->shared.lock);
	shard->shared.slots = slots;
	shard->shared.nslots = new_n;
	shard->shared.nused = 0;
	for (uint32_t i = 0; i < old_n; i++)
		if (old[i].rest != 0)
			put_locked(shard, old[i]);
	lock_drop(&shard->shared.lock);
	mem_free(old);
}

static unsigned now(const struct disk_index *index)
{
	return atomic_load_explicit(&index->now, memory_order_relaxed) & STAMP_MAX;
}

static void value_new(const struct disk_index *index, struct entry *entry, uint64_t bytes)
{
	unsigned class = class_of(bytes);

	if (index->has_ages) {
		set_field(entry, STAMP_SHIFT, STAMP_MAX, now(index));
		return;
	}
	set_field(entry, CLASS_SHIFT, CLASS_MAX, class);
	set_field(entry, COUNTER_SHIFT, COUNTER_MAX, size_classes[class].start);
}

void disk_index_insert(struct disk_index *index, uint64_t key, uint64_t id, uint64_t bytes)
{
	struct shard *shard = shard_of(index, key);
	struct entry entry = {key, id << ID_SHIFT};
	bool crowded;

	value_new(index, &entry, bytes);
	check(id > 0 && id < UINT64_C(1) << 40);
	lock_take(&shard->shared.lock);
	crowded = is_crowded_locked(shard);
	lock_drop(&shard->shared.lock);
	if (crowded)
		grow(index, shard);
	lock_take(&shard->shared.lock);
	if (!find_locked(shard, key, id))
		put_locked(shard, entry);
	lock_drop(&shard->shared.lock);
}

/* Is home behind hole, up to at, round the end of the table? Then its entry may not move to
 * hole. */
static bool stays(uint32_t home, uint32_t hole, uint32_t at)
{
	return hole <= at ? hole < home && home <= at : hole < home || home <= at;
}

/* Empties a slot and moves up what had been pushed behind it, so that no run has a gap. */
static void cut_locked(struct shard *shard, struct entry *entry)
{
	struct entry *slots = shard->shared.slots;
	uint32_t n = shard->shared.nslots;
	uint32_t hole = (uint32_t)(entry - slots), at = hole;

	for (;;) {
		at = at + 1 == n ? 0 : at + 1;
		if (slots[at].rest == 0)
			break;
		if (stays(home_of(slots[at].key, n), hole, at))
			continue;
		slots[hole] = slots[at];
		hole = at;
	}
	slots[hole] = (struct entry){0, 0};
	shard->shared.nused--;
}

bool disk_index_remove(struct disk_index *index, uint64_t key, uint64_t id)
{
	struct shard *shard = shard_of(index, key);
	struct entry *entry = NULL;

	lock_take(&shard->shared.lock);
	if (id != 0)
		entry = find_locked(shard, key, id);
	if (entry)
		cut_locked(shard, entry);
	lock_drop(&shard->shared.lock);
	return entry != NULL;
}

unsigned disk_index_remove_key(struct disk_index *index, uint64_t key)
{
	struct shard *shard = shard_of(index, key);
	struct entry *entry;
	unsigned n = 0;

	lock_take(&shard->shared.lock);
	while ((entry = find_locked(shard, key, 0))) {
		cut_locked(shard, entry);
		n++;
	}
	lock_drop(&shard->shared.lock);
	return n;
}

static void raise_counter(struct entry *entry, unsigned nhits)
{
	const struct size_class *row = &size_classes[field(entry, CLASS_SHIFT, CLASS_MAX)];
	unsigned value = field(entry, COUNTER_SHIFT, COUNTER_MAX) + nhits * row->step;

	set_field(entry, COUNTER_SHIFT, COUNTER_MAX, value < row->most ? value : row->most);
}

unsigned disk_index_hit(struct disk_index *index, uint64_t key, uint64_t id, unsigned n)
{
	struct shard *shard = shard_of(index, key);
	struct entry *entry;
	unsigned seen = 0;

	if (n > PENDING_MAX)
		n = PENDING_MAX;
	lock_take(&shard->shared.lock);
	entry = find_locked(shard, key, id);
	if (entry) {
		seen = field(entry, SEEN_SHIFT, SEEN_MAX);
		set_field(entry, SEEN_SHIFT, SEEN_MAX, seen + n);
		if (index->has_ages)
			set_field(entry, STAMP_SHIFT, STAMP_MAX, now(index));
		else
			raise_counter(entry, n);
		set_field(entry, 0, PENDING_MAX, field(entry, 0, PENDING_MAX) + n);
	}
	lock_drop(&shard->shared.lock);
	return seen;
}

enum disk_index_judgement disk_index_judge(struct disk_index *index, uint64_t key, uint64_t id)
{
	struct shard *shard = shard_of(index, key);
	struct entry *entry;
	unsigned counter = 0;

	lock_take(&shard->shared.lock);
	entry = find_locked(shard, key, id);
	if (entry)
		counter = field(entry, COUNTER_SHIFT, COUNTER_MAX);
	if (counter > 0)
		set_field(entry, COUNTER_SHIFT, COUNTER_MAX, counter - 1);
	lock_drop(&shard->shared.lock);
	if (!entry)
		return DISK_INDEX_UNKNOWN;
	return counter > 0 ? DISK_INDEX_SPARED : DISK_INDEX_DUE;
}

/* ---- ages */

void disk_index_keep_ages(struct disk_index *index)
{
	index->has_ages = true;
}

/* The stamp that comes next was that of the oldest: they stay the oldest. */
static void keep_oldest_locked(struct shard *shard, unsigned next)
{
	for (uint32_t i = 0; i < shard->shared.nslots; i++) {
		struct entry *entry = &shard->shared.slots[i];

		if (entry->rest != 0 && field(entry, STAMP_SHIFT, STAMP_MAX) == next)
			set_field(entry, STAMP_SHIFT, STAMP_MAX, (next + 1) & STAMP_MAX);
	}
}

void disk_index_grow_older(struct disk_index *index)
{
	unsigned next = (now(index) + 1) & STAMP_MAX;

	for (unsigned i = 0; i < NSHARDS; i++) {
		struct shard *shard = &index->shards[i];

		lock_take(&shard->shared.lock);
		keep_oldest_locked(shard, next);
		lock_drop(&shard->shared.lock);
	}
	atomic_store_explicit(&index->now, next, memory_order_relaxed);
}

int disk_index_age(struct disk_index *index, uint64_t key, uint64_t id)
{
	struct shard *shard = shard_of(index, key);
	struct entry *entry;
	unsigned stamp = 0;

	lock_take(&shard->shared.lock);
	entry = find_locked(shard, key, id);
	if (entry)
		stamp = field(entry, STAMP_SHIFT, STAMP_MAX);
	lock_drop(&shard->shared.lock);
	return entry ? (int)((now(index) - stamp) & STAMP_MAX) : -1;
}

static unsigned take_hits_locked(struct shard *shard, struct disk_index_hits *out, unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < shard->shared.nslots && n < max; i++) {
		struct entry *entry = &shard->shared.slots[i];
		unsigned pending = field(entry, 0, PENDING_MAX);

		if (pending == 0)
			continue;
		out[n++] = (struct disk_index_hits){id_of(entry), pending};
		set_field(entry, 0, PENDING_MAX, 0);
	}
	return n;
}

unsigned disk_index_take_hits(struct disk_index *index, unsigned *cursor,
			      struct disk_index_hits *out, unsigned max)
{
	for (; *cursor < NSHARDS; ++*cursor) {
		struct shard *shard = &index->shards[*cursor];
		unsigned n;

		lock_take(&shard->shared.lock);
		n = take_hits_locked(shard, out, max);
		lock_drop(&shard->shared.lock);
		if (n > 0)
			return n;
	}
	return 0;
}

static uint64_t sum(struct disk_index *index, bool of_bytes)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < NSHARDS; i++) {
		struct shard *shard = &index->shards[i];

		lock_take(&shard->shared.lock);
		total += of_bytes ? shard->shared.nslots * (uint64_t)sizeof(struct entry)
				  : shard->shared.nused;
		lock_drop(&shard->shared.lock);
	}
	return total;
}

uint64_t disk_index_count(struct disk_index *index)
{
	return sum(index, false);
}

uint64_t disk_index_bytes(struct disk_index *index)
{
	return sum(index, true) + sizeof(*index);
}

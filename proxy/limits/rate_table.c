/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/rate_table.h"

#include <stdatomic.h>

#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "proxy/session/rate_bucket.h"

enum { WAYS = 8, SETS = RATE_TABLE_SLOTS / WAYS };

struct slot {
	atomic_uint_least64_t key; /* 0: never used */
	struct rate_bucket bucket;
};

struct rate_table {
	uint64_t seed;
	struct slot slots[RATE_TABLE_SLOTS];
};

struct rate_table *rate_table_create(void)
{
	struct rate_table *table = mem_zalloc(sizeof(*table));

	table->seed = random_u64();
	return table;
}

void rate_table_destroy(struct rate_table *table)
{
	mem_free(table);
}

uint64_t rate_table_seed(const struct rate_table *table)
{
	return table->seed;
}

/* The key's slot, or of its set the one that owes least, which becomes the key's. Of two threads
 * that want a slot for two keys one comes too late, and looks again. */
static struct slot *find(struct slot *set, uint64_t key, const struct rate_limit *limit,
			 int64_t now_ms)
{
	for (;;) {
		struct slot *fullest = set;
		uint_least64_t was;
		int64_t most = INT64_MIN;

		for (struct slot *slot = set; slot < set + WAYS; slot++) {
			int64_t level;

			if (atomic_load_explicit(&slot->key, memory_order_relaxed) == key)
				return slot;
			level = rate_bucket_level(&slot->bucket, limit, now_ms);
			if (level > most) {
				most = level;
				fullest = slot;
			}
		}
		was = atomic_load_explicit(&fullest->key, memory_order_relaxed);
		if (was == key)
			return fullest;
		if (!atomic_compare_exchange_strong_explicit(&fullest->key, &was, key,
							     memory_order_relaxed,
							     memory_order_relaxed))
			continue;
		rate_bucket_fill(&fullest->bucket, limit, 100, now_ms);
		return fullest;
	}
}

int64_t rate_table_take(struct rate_table *table, uint64_t key, const struct rate_limit *limit,
                        int64_t amount, int64_t now_ms)
{
	struct slot *slot;

	key |= key == 0;
	slot = find(&table->slots[key % SETS * WAYS], key, limit, now_ms);
	return rate_bucket_try(&slot->bucket, limit, amount, now_ms);
}

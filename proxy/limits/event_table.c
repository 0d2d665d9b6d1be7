/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/event_table.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/base/heap.h"
#include "lib/base/random.h"

enum { SLOTS = 16384, WAYS = 8, SETS = SLOTS / WAYS, COUNT_BITS = 20 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* state: when the window began in milliseconds, above COUNT_BITS of how often it happened since. */
struct slot {
	atomic_uint_least64_t key; /* 0: never used */
	atomic_uint_least64_t state;
};

struct event_table {
	uint64_t seed;
	struct slot slots[SLOTS];
};

struct event_table *event_table_create(void)
{
	struct event_table *table = mem_zalloc(sizeof(*table));

	table->seed = random_u64();
	return table;
}

void event_table_destroy(struct event_table *table)
{
	mem_free(table);
}

uint64_t event_table_seed(const struct event_table *table)
{
	return table->seed;
}

static bool is_over(uint64_t state, int64_t window_ms, int64_t now_ms)
{
	return (int64_t)(state >> COUNT_BITS) + window_ms <= now_ms;
}

/* The key's slot; else the one that counts least, which becomes the key's. */
static struct slot *find(struct slot *set, uint64_t key, int64_t window_ms, int64_t now_ms)
{
	struct slot *least = set;
	uint64_t fewest = UINT64_MAX;

	for (struct slot *slot = set; slot < set + WAYS; slot++) {
		uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
		uint64_t n = is_over(state, window_ms, now_ms) ? 0 : state & COUNT_MASK;

		if (atomic_load_explicit(&slot->key, memory_order_relaxed) == key)
			return slot;
		if (n < fewest) {
			fewest = n;
			least = slot;
		}
	}
	atomic_store_explicit(&least->state, 0, memory_order_relaxed);
	atomic_store_explicit(&least->key, key, memory_order_relaxed);
	return least;
}

unsigned event_table_count(struct event_table *table, uint64_t key, int64_t window_ms,
                           int64_t now_ms)
{
	struct slot *slot;
	uint_least64_t seen, next;

	key |= key == 0;
	slot = find(&table->slots[key % SETS * WAYS], key, window_ms, now_ms);
	seen = atomic_load_explicit(&slot->state, memory_order_relaxed);
	do {
		if (is_over(seen, window_ms, now_ms) || (seen & COUNT_MASK) == 0)
			next = (uint64_t)now_ms << COUNT_BITS | 1;
		else
			next = (seen & COUNT_MASK) == COUNT_MASK ? seen : seen + 1;
	} while (!atomic_compare_exchange_weak_explicit(&slot->state, &seen, next,
							memory_order_relaxed,
							memory_order_relaxed));
	return (unsigned)(next & COUNT_MASK);
}

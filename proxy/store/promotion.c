/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/promotion.h"

#include <stdatomic.h>

#include "lib/base/heap.h"

enum { MIN_SLOTS = 256, MAX_SLOTS = 65536, OBJECT_BYTES = 32768 };

struct promotion {
	size_t nslots; /* a power of two; immutable */
	_Atomic(uint32_t) slots[];
};

struct promotion *promotion_create(size_t memory_bytes)
{
	struct promotion *promotion;
	size_t nslots = MIN_SLOTS;

	while (nslots < MAX_SLOTS && nslots < memory_bytes / OBJECT_BYTES)
		nslots *= 2;
	promotion = mem_zalloc(sizeof(*promotion) + nslots * sizeof(promotion->slots[0]));
	promotion->nslots = nslots;
	return promotion;
}

void promotion_destroy(struct promotion *promotion)
{
	mem_free(promotion);
}

bool promotion_is_due(struct promotion *promotion, uint64_t key)
{
	_Atomic(uint32_t) *slot = &promotion->slots[key % promotion->nslots];
	uint32_t mark = (uint32_t)(key >> 32) | 1; /* 0: free */

	/* Relaxed: the mark says nothing of other memory. */
	if (atomic_load_explicit(slot, memory_order_relaxed) == mark)
		return true;
	atomic_store_explicit(slot, mark, memory_order_relaxed);
	return false;
}

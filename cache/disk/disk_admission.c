/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_admission.h"

#include <stdatomic.h>
#include <stddef.h>

#include "lib/base/heap.h"

enum {
	NROWS = 4,
	COLUMNS_MIN = 1 << 12,
	COLUMNS_MAX = 1 << 20,
	BYTES_A_COLUMN = 32768, /* about an object of common size */
	COUNTER_MAX = 15,
	NOTES_A_COLUMN = 8, /* then all are halved */
	WORTH_SHIFT = 32,   /* fixed point */
	PRICE_SHIFT = 5,    /* a 32nd of the way to each evicted one's worth */
	DISCOUNT_SHIFT = 10,
	ONE = 1024,       /* fixed point, of the share and the margin */
	MARGIN_MAX = 3 * ONE,
	MARGIN_BY_SHARE = 32,
	SHARE_MIN = ONE / 16, /* as much may come of counters that keys share */
};

struct disk_admission {
	enum eviction policy;
	uint32_t ncolumns; /* a power of two */
	/* relaxed: estimates, where a lost count does no harm */
	_Atomic(uint64_t) price; /* requests for a byte of what was evicted lately */
	_Atomic(uint32_t) share; /* of what was evicted lately, what was asked for more than once */
	_Atomic(uint32_t) nnotes;
	atomic_uchar counters[]; /* NROWS rows */
};

struct disk_admission *disk_admission_create(uint64_t max_bytes, enum eviction policy)
{
	struct disk_admission *admission;
	uint32_t n = COLUMNS_MIN;

	while (n < COLUMNS_MAX && n < max_bytes / BYTES_A_COLUMN)
		n *= 2;
	admission = mem_zalloc(sizeof(*admission) + (size_t)n * NROWS);
	admission->ncolumns = n;
	admission->policy = policy;
	return admission;
}

void disk_admission_destroy(struct disk_admission *admission)
{
	mem_free(admission);
}

/* Keys are hashes; each row looks at other bits of a product of them. */
static size_t counter_of(const struct disk_admission *admission, uint64_t key, unsigned row)
{
	static const uint64_t odd[NROWS] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu,
					    0x165667B19E3779F9u, 0xD6E8FEB86659FD93u};
	uint64_t mixed = (key ^ key >> 32) * odd[row];

	return (size_t)row * admission->ncolumns + ((mixed >> 32) & (admission->ncolumns - 1));
}

static unsigned read_counter(const struct disk_admission *admission, size_t i)
{
	return atomic_load_explicit(&admission->counters[i], memory_order_relaxed);
}

unsigned disk_admission_estimate(const struct disk_admission *admission, uint64_t key)
{
	unsigned least = COUNTER_MAX;

	for (unsigned row = 0; row < NROWS; row++) {
		unsigned n = read_counter(admission, counter_of(admission, key, row));

		least = n < least ? n : least;
	}
	return least;
}

/* Only the lowest counters rise: the others are raised by other keys already. */
void disk_admission_note(struct disk_admission *admission, uint64_t key)
{
	unsigned least = disk_admission_estimate(admission, key);

	atomic_fetch_add_explicit(&admission->nnotes, 1, memory_order_relaxed);
	if (least == COUNTER_MAX)
		return;
	for (unsigned row = 0; row < NROWS; row++) {
		size_t i = counter_of(admission, key, row);

		if (read_counter(admission, i) == least)
			atomic_store_explicit(&admission->counters[i], (unsigned char)(least + 1),
					      memory_order_relaxed);
	}
}

uint64_t disk_admission_worth(const struct disk_admission *admission, uint64_t key, uint64_t bytes)
{
	if (admission->policy == EVICTION_LFUDA)
		bytes = BYTES_A_COLUMN; /* as if all were of one size */
	return ((uint64_t)disk_admission_estimate(admission, key) << WORTH_SHIFT) /
	       (bytes ? bytes : 1);
}

static uint64_t price(const struct disk_admission *admission)
{
	return atomic_load_explicit(&admission->price, memory_order_relaxed);
}

static void set_price(struct disk_admission *admission, uint64_t value)
{
	atomic_store_explicit(&admission->price, value, memory_order_relaxed);
}

/* How many times what goes it must be worth: to put one for another that is hardly worse costs more
 * of writing than it saves in fetches. Where nothing is asked for twice, nothing is lost by
 * either. */
static uint32_t margin(const struct disk_admission *admission)
{
	uint32_t share = atomic_load_explicit(&admission->share, memory_order_relaxed);
	uint32_t times = share > SHARE_MIN ? ONE + (share - SHARE_MIN) * MARGIN_BY_SHARE : ONE;

	return times < MARGIN_MAX ? times : MARGIN_MAX;
}

bool disk_admission_allows(struct disk_admission *admission, uint64_t key, uint64_t bytes)
{
	uint64_t now = price(admission);

	if (admission->policy == EVICTION_LRU ||
	    disk_admission_worth(admission, key, bytes) >= now * margin(admission) / ONE)
		return true;
	/* Nothing is let in, nothing evicted: the price would never be known to have fallen. */
	set_price(admission, now - (now >> DISCOUNT_SHIFT) - (now > 0));
	return false;
}

void disk_admission_evicted(struct disk_admission *admission, uint64_t key, uint64_t bytes)
{
	uint64_t now = price(admission), its = disk_admission_worth(admission, key, bytes);
	uint32_t share = atomic_load_explicit(&admission->share, memory_order_relaxed);

	set_price(admission, now - (now >> PRICE_SHIFT) + (its >> PRICE_SHIFT));
	share += disk_admission_estimate(admission, key) > 1 ? (ONE - share) >> PRICE_SHIFT
							     : -(share >> PRICE_SHIFT);
	atomic_store_explicit(&admission->share, share, memory_order_relaxed);
}

void disk_admission_age(struct disk_admission *admission)
{
	size_t n = (size_t)admission->ncolumns * NROWS;
	uint32_t nnotes = atomic_load_explicit(&admission->nnotes, memory_order_relaxed);

	if (nnotes < admission->ncolumns * (uint32_t)NOTES_A_COLUMN)
		return;
	atomic_store_explicit(&admission->nnotes, 0, memory_order_relaxed);
	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&admission->counters[i],
				      (unsigned char)(read_counter(admission, i) / 2),
				      memory_order_relaxed);
	set_price(admission, price(admission) / 2);
}

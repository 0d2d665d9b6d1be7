/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_victims.h"

#include <stdlib.h>

#include "cache/disk/disk_admission.h"
#include "cache/disk/disk_index.h"

enum { PART = 8, TIME_BITS = 40 };

static uint64_t worth_of(enum eviction policy, struct disk_index *index,
			 const struct disk_admission *admission, const struct disk_victim *victim)
{
	int age;

	if (policy != EVICTION_LRU)
		return disk_admission_worth(admission, victim->key, victim->size);
	age = disk_index_age(index, victim->key, victim->id);
	if (age < 0)
		age = DISK_INDEX_AGES - 1;
	return (uint64_t)(DISK_INDEX_AGES - 1 - age) << TIME_BITS | victim->used_s;
}

static int compare(const void *a, const void *b)
{
	const struct disk_victim *one = a, *other = b;

	if (one->worth_ != other->worth_)
		return one->worth_ < other->worth_ ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

unsigned disk_victims_choose(enum eviction policy, struct disk_index *index,
			     const struct disk_admission *admission, struct disk_victim *victims,
			     unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		victims[i].worth_ = worth_of(policy, index, admission, &victims[i]);
	qsort(victims, n, sizeof(*victims), compare);
	return (n + PART - 1) / PART;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/unshared.h"

#include "lib/base/heap.h"

/* Within a set, the one that is over first makes way. */
enum { NSETS = 1024, NWAYS = 4, KEEP_S = 60 };

struct slot {
	uint64_t key;    /* 0: none */
	int64_t until_s; /* 0: none */
};

struct unshared {
	struct slot sets[NSETS][NWAYS];
};

struct unshared *unshared_create(void)
{
	return mem_zalloc(sizeof(struct unshared));
}

void unshared_destroy(struct unshared *unshared)
{
	mem_free(unshared);
}

void unshared_add(struct unshared *unshared, uint64_t key, int64_t now_s)
{
	struct slot *set = unshared->sets[key % NSETS], *slot = set;

	for (int i = 0; i < NWAYS; i++) {
		if (set[i].key == key) {
			slot = &set[i];
			break;
		}
		if (set[i].until_s < slot->until_s)
			slot = &set[i];
	}
	*slot = (struct slot){key, now_s + KEEP_S};
}

void unshared_expect(const struct unshared *unshared, uint64_t key)
{
	__builtin_prefetch(unshared->sets[key % NSETS]);
}

bool unshared_has(const struct unshared *unshared, uint64_t key, int64_t now_s)
{
	const struct slot *set = unshared->sets[key % NSETS];

	for (int i = 0; i < NWAYS; i++)
		if (set[i].key == key)
			return now_s < set[i].until_s;
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/unshared.h"

#include "lib/base/heap.h"

enum { NSLOTS = 1024, KEEP_S = 60 };

struct unshared {
	struct {
		uint64_t key; /* 0: none */
		int64_t until_s;
	} slots[NSLOTS];
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
	unshared->slots[key % NSLOTS].key = key;
	unshared->slots[key % NSLOTS].until_s = now_s + KEEP_S;
}

bool unshared_has(const struct unshared *unshared, uint64_t key, int64_t now_s)
{
	return unshared->slots[key % NSLOTS].key == key &&
	       now_s < unshared->slots[key % NSLOTS].until_s;
}

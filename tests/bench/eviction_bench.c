/* SPDX-License-Identifier: BSD-2-Clause */
/* The hit ratio of the memory index on a Zipf stream (exponent 0.9, 50,000 objects of 1 to 256 KiB,
 * log-uniform: 2.2 GiB), beside that of an LRU list of the same bytes; then with as many requests
 * again for what nobody asks for twice (a scan). After 60,000 requests 30,000 are measured. The
 * objects only say how large they are. */
#include <math.h>
#include <stdio.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"

enum { NOBJECTS = 50000, NWARM = 60000, NMEASURED = 30000, NALL = NOBJECTS + NWARM + NMEASURED };

struct entry {
	struct list node;
	size_t bytes;
	bool is_in;
};

struct lru {
	struct list list; /* least recently used first */
	struct entry *entries;
	size_t bytes, max_bytes;
};

static uint64_t seed;
static double sums[NOBJECTS];

static double draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static void fill_sums(void)
{
	double sum = 0;

	for (int i = 0; i < NOBJECTS; i++)
		sums[i] = sum += pow(i + 1, -0.9);
	for (int i = 0; i < NOBJECTS; i++)
		sums[i] /= sum;
}

static unsigned pick(void)
{
	unsigned low = 0, high = NOBJECTS - 1;
	double r = draw();

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (sums[middle] < r)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Fixed by the number, 1 to 256 KiB. */
static size_t size_of(unsigned n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;

	x ^= x >> 31;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	return (size_t)(1024 * exp2(8.0 * (double)(x >> 11) / 9007199254740992.0));
}

static bool ask_index(struct index *index, unsigned n)
{
	static const struct http_request no_fields;
	char text[40];
	struct object_head head = {.status = 200};
	struct object *object;
	uint64_t key;

	snprintf(text, sizeof(text), "http://www.example/%u", n);
	head.url = str_of(text);
	key = index_key(index, head.url);
	object = index_find(index, key, head.url, &no_fields.head);
	if (object) {
		object_unref(object);
		return true;
	}
	object = object_create_whole(&head, STR(""));
	atomic_fetch_add(&object->memory_bytes_, size_of(n));
	index_insert(index, key, object);
	object_unref(object);
	return false;
}

static bool ask_lru(struct lru *lru, unsigned n, size_t overhead)
{
	struct entry *entry = &lru->entries[n];
	bool was_in = entry->is_in;

	if (was_in) {
		list_remove(&entry->node);
	} else {
		entry->is_in = true;
		entry->bytes = size_of(n) + overhead;
		lru->bytes += entry->bytes;
	}
	list_push_back(&lru->list, &entry->node);
	while (lru->bytes > lru->max_bytes) {
		struct entry *oldest = CONTAINER(list_pop_front(&lru->list), struct entry, node);

		oldest->is_in = false;
		lru->bytes -= oldest->bytes;
	}
	return was_in;
}

static void replay(size_t max_bytes, bool has_scan)
{
	struct index *index = index_create(16, max_bytes, 1);
	struct lru lru = {.entries = mem_array(NALL, sizeof(struct entry)), .max_bytes = max_bytes};
	unsigned next = NOBJECTS, nhits = 0, nlru = 0;

	list_init(&lru.list);
	seed = 88172645463325252u;
	for (unsigned i = 0; i < NWARM + NMEASURED; i++) {
		unsigned n = pick();
		bool is_hit = ask_index(index, n);
		bool is_lru_hit = ask_lru(&lru, n, sizeof(struct object));

		if (i >= NWARM) {
			nhits += is_hit;
			nlru += is_lru_hit;
		}
		if (has_scan) {
			ask_index(index, next);
			ask_lru(&lru, next++, sizeof(struct object));
		}
	}
	printf("memory hit ratio, Zipf 0.9, %3zu MiB%s  %.3f (LRU %.3f)\n", max_bytes >> 20,
	       has_scan ? ", half of it a scan" : "                   ", (double)nhits / NMEASURED,
	       (double)nlru / NMEASURED);
	mem_free(lru.entries);
	index_destroy(index);
}

int main(void)
{
	fill_sums();
	for (int has_scan = 0; has_scan <= 1; has_scan++)
		for (size_t max_bytes = 64 << 20; max_bytes <= 576 << 20; max_bytes *= 3)
			replay(max_bytes, has_scan);
	return 0;
}

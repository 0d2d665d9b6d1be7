/* SPDX-License-Identifier: BSD-2-Clause */
/* The hit ratio of the memory index, of requests and of bytes, under each policy, on a Zipf stream
 * (exponent 0.9, 50,000 objects of 1 to 256 KiB, log-uniform: 2.2 GiB); then with as many requests
 * again for what nobody asks for twice (a scan). After 60,000 requests 30,000 are measured. The
 * objects only say how large they are. */
#include <stdio.h>

#include "cache/index.h"
#include "cache/object.h"
#include "tests/support/zipf.h"

enum { NOBJECTS = 50000, NWARM = 60000, NMEASURED = 30000 };

static int64_t now_ms;

static int64_t tell_now(void)
{
	return now_ms;
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
	atomic_fetch_add(&object->memory_bytes_, zipf_size(n));
	index_insert(index, key, object);
	object_unref(object);
	return false;
}

static void replay(enum eviction policy, size_t max_bytes, bool has_scan)
{
	struct index *index = index_create(16, max_bytes, 1);
	double bytes = 0, hit_bytes = 0;
	unsigned next = NOBJECTS, nhits = 0;
	struct zipf zipf;

	index_set_policy(index, policy, tell_now);
	zipf_init(&zipf, NOBJECTS);
	for (unsigned i = 0; i < NWARM + NMEASURED; i++, now_ms += 100) {
		unsigned n = zipf_next(&zipf);
		double size = (double)zipf_size(n);
		bool is_hit = ask_index(index, n);

		if (i >= NWARM) {
			nhits += is_hit;
			bytes += size;
			hit_bytes += is_hit ? size : 0;
		}
		if (has_scan)
			ask_index(index, next++);
	}
	printf("memory hit ratio, Zipf 0.9, %3zu MiB%s  %-5s  %.3f (of bytes %.3f)\n",
	       max_bytes >> 20, has_scan ? ", half of it a scan" : "                   ",
	       eviction_name(policy), (double)nhits / NMEASURED, hit_bytes / bytes);
	zipf_fini(&zipf);
	index_destroy(index);
}

int main(void)
{
	for (int has_scan = 0; has_scan <= 1; has_scan++)
		for (size_t max_bytes = 64 << 20; max_bytes <= 576 << 20; max_bytes *= 3)
			for (int policy = 0; policy < EVICTIONS; policy++)
				replay((enum eviction)policy, max_bytes, has_scan);
	return 0;
}

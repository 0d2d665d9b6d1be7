/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/client_table.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"

enum { NSHARDS = 16, NBUCKETS = 256, IP_BYTES = 16 };

struct client_count {
	struct list node;
	unsigned shard;
	/* Changed under the shard's lock; relaxed for who only looks: a count of its own. */
	atomic_uint n;
	uint8_t ip[IP_BYTES];
};

struct shard {
	struct lock lock;
	struct list buckets[NBUCKETS];
};

struct client_table {
	uint64_t seed;
	struct shard shards[NSHARDS];
};

struct client_table *client_table_create(void)
{
	struct client_table *table = mem_zalloc(sizeof(*table));

	table->seed = random_u64();
	for (size_t i = 0; i < NSHARDS; i++) {
		lock_init(&table->shards[i].lock);
		for (size_t k = 0; k < NBUCKETS; k++)
			list_init(&table->shards[i].buckets[k]);
	}
	return table;
}

void client_table_destroy(struct client_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < NSHARDS; i++) {
		for (size_t k = 0; k < NBUCKETS; k++)
			check(list_is_empty(&table->shards[i].buckets[k]));
		lock_fini(&table->shards[i].lock);
	}
	mem_free(table);
}

static bool is_address(const struct addr *addr)
{
	return addr->as.any.sa_family == AF_INET || addr->as.any.sa_family == AF_INET6;
}

static uint64_t hash_ip(const struct client_table *table, const uint8_t ip[IP_BYTES])
{
	return hash_str((struct str){(const char *)ip, IP_BYTES}, table->seed);
}

static struct list *bucket_of(struct client_table *table, uint64_t hash)
{
	return &table->shards[hash % NSHARDS].buckets[hash / NSHARDS % NBUCKETS];
}

static struct client_count *find_locked(const struct shard *shard, const struct list *bucket,
					const uint8_t ip[IP_BYTES])
{
	lock_check_held(&shard->lock);
	LIST_EACH(node, bucket) {
		struct client_count *count = CONTAINER(node, struct client_count, node);

		if (memcmp(count->ip, ip, IP_BYTES) == 0)
			return count;
	}
	return NULL;
}

unsigned client_table_connections(struct client_table *table, const struct addr *addr)
{
	uint8_t ip[IP_BYTES];
	struct shard *shard;
	uint64_t hash;
	unsigned n;

	if (!is_address(addr))
		return 0;
	addr_client_bytes(addr, ip);
	hash = hash_ip(table, ip);
	shard = &table->shards[hash % NSHARDS];
	lock_take(&shard->lock);
	n = client_count_now(find_locked(shard, bucket_of(table, hash), ip));
	lock_drop(&shard->lock);
	return n;
}

struct client_count *client_table_enter(struct client_table *table, const struct addr *addr)
{
	struct client_count *fresh, *count;
	struct shard *shard;
	struct list *bucket;
	uint64_t hash;

	if (!is_address(addr))
		return NULL;
	fresh = mem_zalloc(sizeof(*fresh)); /* not under the lock; dropped if it is not needed */
	addr_client_bytes(addr, fresh->ip);
	hash = hash_ip(table, fresh->ip);
	fresh->shard = (unsigned)(hash % NSHARDS);
	shard = &table->shards[fresh->shard];
	bucket = bucket_of(table, hash);
	lock_take(&shard->lock);
	count = find_locked(shard, bucket, fresh->ip);
	if (!count) {
		list_push_front(bucket, &fresh->node);
		count = fresh;
		fresh = NULL;
	}
	atomic_fetch_add_explicit(&count->n, 1, memory_order_relaxed);
	lock_drop(&shard->lock);
	mem_free(fresh);
	return count;
}

void client_table_leave(struct client_table *table, struct client_count *count)
{
	struct shard *shard;
	bool is_last;

	if (!count)
		return;
	shard = &table->shards[count->shard];
	lock_take(&shard->lock);
	is_last = atomic_fetch_sub_explicit(&count->n, 1, memory_order_relaxed) == 1;
	if (is_last)
		list_remove(&count->node);
	lock_drop(&shard->lock);
	if (is_last)
		mem_free(count);
}

unsigned client_count_now(const struct client_count *count)
{
	return count ? atomic_load_explicit(&count->n, memory_order_relaxed) : 0;
}

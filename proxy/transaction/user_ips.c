/* SPDX-License-Identifier: BSD-2-Clause */
/* Buckets of users, by hash, each with a lock of its own. */
#include "proxy/transaction/user_ips.h"

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"

enum { NBUCKETS = 256, MAX_USERS = 256 /* of a bucket */, IP_BYTES = 16 };

struct sighting {
	uint8_t ip[IP_BYTES];
	int64_t seen_ms;
};

/* Guarded by its bucket's lock. */
struct user {
	struct list node; /* the one seen last is first */
	unsigned n;
	struct sighting at[USER_IPS_MAX];
	size_t name_len;
	char name[];
};

struct user_ips {
	uint64_t seed; /* immutable */
	struct bucket {
		struct lock lock;
		struct { /* guarded by lock */
			struct list users;
			unsigned n;
		} shared;
	} buckets[NBUCKETS];
};

struct user_ips *user_ips_create(void)
{
	struct user_ips *ips = mem_zalloc(sizeof(*ips));

	ips->seed = random_u64();
	for (size_t i = 0; i < NBUCKETS; i++) {
		lock_init(&ips->buckets[i].lock);
		list_init(&ips->buckets[i].shared.users);
	}
	return ips;
}

void user_ips_destroy(struct user_ips *ips)
{
	for (size_t i = 0; ips && i < NBUCKETS; i++) {
		struct list *node;

		while ((node = list_pop_front(&ips->buckets[i].shared.users)))
			mem_free(CONTAINER(node, struct user, node));
		lock_fini(&ips->buckets[i].lock);
	}
	mem_free(ips);
}

static struct bucket *bucket_of(struct user_ips *ips, struct str user)
{
	return &ips->buckets[hash_str(user, ips->seed) % NBUCKETS];
}

static struct user *find_locked(struct bucket *bucket, struct str name)
{
	lock_check_held(&bucket->lock);
	LIST_EACH(node, &bucket->shared.users) {
		struct user *user = CONTAINER(node, struct user, node);

		if (str_eq((struct str){user->name, user->name_len}, name))
			return user;
	}
	return NULL;
}

static void drop_sighting(struct user *user, unsigned i)
{
	user->at[i] = user->at[--user->n];
}

static void drop_old(struct user *user, int64_t now_ms, int64_t ttl_ms)
{
	for (unsigned i = user->n; i-- > 0;)
		if (now_ms - user->at[i].seen_ms >= ttl_ms)
			drop_sighting(user, i);
}

static void drop_ip(struct user *user, const uint8_t *ip)
{
	for (unsigned i = user->n; i-- > 0;)
		if (memcmp(user->at[i].ip, ip, IP_BYTES) == 0)
			drop_sighting(user, i);
}

static void add_ip(struct user *user, const uint8_t *ip, int64_t now_ms)
{
	unsigned oldest = 0;

	if (user->n == USER_IPS_MAX) {
		for (unsigned i = 1; i < user->n; i++)
			if (user->at[i].seen_ms < user->at[oldest].seen_ms)
				oldest = i;
		drop_sighting(user, oldest);
	}
	memcpy(user->at[user->n].ip, ip, IP_BYTES);
	user->at[user->n++].seen_ms = now_ms;
}

/* The user's own, or spare, which is his then (and *spare NULL). What must go for it is *gone. */
static struct user *open_user_locked(struct bucket *bucket, struct str name, struct user **spare,
				     struct user **gone)
{
	struct user *user = find_locked(bucket, name);

	*gone = NULL;
	if (user) {
		list_remove(&user->node);
	} else {
		user = *spare;
		*spare = NULL;
		if (bucket->shared.n == MAX_USERS) {
			*gone = CONTAINER(bucket->shared.users.prev, struct user, node);
			list_remove(&(*gone)->node);
		} else {
			bucket->shared.n++;
		}
	}
	list_push_front(&bucket->shared.users, &user->node);
	return user;
}

unsigned user_ips_note(struct user_ips *ips, struct str name, const struct addr *addr,
		       int64_t now_ms, int64_t ttl_ms)
{
	struct bucket *bucket = bucket_of(ips, name);
	struct user *spare = mem_zalloc(sizeof(*spare) + name.len), *user, *gone;
	uint8_t ip[IP_BYTES];
	unsigned n;

	addr_ip_bytes(addr, ip);
	list_init(&spare->node);
	spare->name_len = name.len;
	memcpy(spare->name, name.at, name.len);
	lock_take(&bucket->lock);
	user = open_user_locked(bucket, name, &spare, &gone);
	drop_old(user, now_ms, ttl_ms);
	drop_ip(user, ip);
	add_ip(user, ip, now_ms);
	n = user->n;
	lock_drop(&bucket->lock);
	mem_free(spare);
	mem_free(gone);
	return n;
}

void user_ips_forget(struct user_ips *ips, struct str name, const struct addr *addr)
{
	struct bucket *bucket = bucket_of(ips, name);
	struct user *user;
	uint8_t ip[IP_BYTES];

	if (addr)
		addr_ip_bytes(addr, ip);
	lock_take(&bucket->lock);
	user = find_locked(bucket, name);
	if (user && addr)
		drop_ip(user, ip);
	else if (user)
		user->n = 0;
	lock_drop(&bucket->lock);
}

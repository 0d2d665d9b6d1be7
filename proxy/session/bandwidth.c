/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/bandwidth.h"

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "lib/net/addr.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/delay_pools.h"

enum {
	NNETWORKS = 256,
	NHOSTS_OF_NETWORK = 256, /* class 2: by the last byte */
	NHOSTS = 65536,          /* class 3: by the last two */
	NCLIENTS = 16384,
	LEAST_BYTES = 4096, /* rather wait than send less, while there is more */
	MAX_WAIT_MS = 1000,
};

/* The buckets of one of delay_pools: aggregate, networks, hosts; NULL: unlimited. */
struct pool_buckets {
	struct rate_bucket *at[DELAY_MAX_RATES];
};

struct response_bucket {
	const struct response_pool *pool;
	struct rate_bucket aggregate;
};

struct bandwidth {
	const struct delay_config *config;
	uint64_t seed;
	struct pool_buckets *pools;
	struct rate_bucket **clients; /* of each of client_pools */
	struct response_bucket *responses;
	unsigned nresponses;
};

/* ---- life */

static struct rate_limit limit_of(const struct delay_rate *rate)
{
	return (struct rate_limit){rate->restore_bytes, rate->max_bytes};
}

static struct rate_bucket *make_buckets(const struct delay_rate *rate, size_t n, int percent,
					int64_t now_ms)
{
	struct rate_limit limit = limit_of(rate);
	struct rate_bucket *buckets;

	if (limit.max_bytes == 0)
		return NULL;
	buckets = mem_array(n, sizeof(*buckets));
	for (size_t i = 0; i < n; i++)
		rate_bucket_fill(&buckets[i], &limit, percent, now_ms);
	return buckets;
}

static void make_pool(struct bandwidth *bandwidth, unsigned i, int64_t now_ms)
{
	const struct delay_config *config = bandwidth->config;
	const struct delay_pool *pool = &config->pools[i];
	const size_t sizes[] = {1, NNETWORKS, pool->class == 3 ? NHOSTS : NHOSTS_OF_NETWORK};

	for (unsigned k = 0; k < DELAY_MAX_RATES; k++)
		bandwidth->pools[i].at[k] = make_buckets(&pool->rates[k], sizes[k],
							 config->initial_percent, now_ms);
}

static void make_responses(struct bandwidth *bandwidth, int64_t now_ms)
{
	unsigned n = 0;

	LIST_EACH(node, &bandwidth->config->response_pools)
		bandwidth->nresponses++;
	bandwidth->responses = mem_array(bandwidth->nresponses + 1, sizeof(*bandwidth->responses));
	LIST_EACH(node, &bandwidth->config->response_pools) {
		struct response_bucket *response = &bandwidth->responses[n++];
		struct rate_limit limit;

		response->pool = CONTAINER(node, struct response_pool, node);
		limit = limit_of(&response->pool->aggregate);
		rate_bucket_fill(&response->aggregate, &limit, response->pool->initial_percent,
				 now_ms);
	}
}

struct bandwidth *bandwidth_create(const struct delay_config *config, int64_t now_ms)
{
	struct bandwidth *bandwidth;

	if (delay_config_is_empty(config))
		return NULL;
	bandwidth = mem_zalloc(sizeof(*bandwidth));
	bandwidth->config = config;
	bandwidth->seed = random_u64();
	bandwidth->pools = mem_array(config->npools + 1, sizeof(*bandwidth->pools));
	for (unsigned i = 0; i < config->npools; i++)
		make_pool(bandwidth, i, now_ms);
	bandwidth->clients = mem_array(config->nclient_pools + 1, sizeof(*bandwidth->clients));
	for (unsigned i = 0; i < config->nclient_pools; i++)
		bandwidth->clients[i] = make_buckets(&config->client_pools[i].rates[0], NCLIENTS,
						     config->client_initial_percent, now_ms);
	make_responses(bandwidth, now_ms);
	return bandwidth;
}

void bandwidth_destroy(struct bandwidth *bandwidth)
{
	if (!bandwidth)
		return;
	for (unsigned i = 0; i < bandwidth->config->npools; i++)
		for (unsigned k = 0; k < DELAY_MAX_RATES; k++)
			mem_free(bandwidth->pools[i].at[k]);
	for (unsigned i = 0; i < bandwidth->config->nclient_pools; i++)
		mem_free(bandwidth->clients[i]);
	mem_free(bandwidth->pools);
	mem_free(bandwidth->clients);
	mem_free(bandwidth->responses);
	mem_free(bandwidth);
}

/* ---- which buckets */

static void add(struct pace *pace, struct rate_bucket *bucket, const struct delay_rate *rate)
{
	if (!bucket || rate->max_bytes == 0)
		return;
	check(pace->n < PACE_MAX_BUCKETS);
	pace->at[pace->n].bucket = bucket;
	pace->at[pace->n].limit = limit_of(rate);
	pace->n++;
}

/* A number for the address, of which the low bits are its last bytes if it is an IPv4 one. An IPv6
 * client is its /64. */
static uint32_t number_of(const struct bandwidth *bandwidth, const struct addr *addr)
{
	uint8_t ip[16];

	addr_ip_bytes(addr, ip);
	if (addr->as.any.sa_family != AF_INET)
		return (uint32_t)hash_str((struct str){(const char *)ip, 8}, bandwidth->seed);
	return (uint32_t)ip[12] << 24 | (uint32_t)ip[13] << 16 | (uint32_t)ip[14] << 8 | ip[15];
}

static size_t slot_of_client(const struct bandwidth *bandwidth, const struct addr *addr)
{
	uint32_t number = number_of(bandwidth, addr);

	return hash_str((struct str){(const char *)&number, sizeof(number)}, bandwidth->seed) %
	       NCLIENTS;
}

static struct rate_bucket *nth(struct rate_bucket *buckets, size_t i)
{
	return buckets ? buckets + i : NULL;
}

/* Squid: the first pool whose delay_access allows it. */
static void add_delay_pool(struct bandwidth *bandwidth, const struct pace_order *order,
			   struct pace *pace)
{
	uint32_t number = number_of(bandwidth, order->client);
	const struct addr *indirect = order->facts->indirect;

	order->facts->indirect = order->client; /* delay_pool_uses_indirect_client */
	for (unsigned i = 0; i < bandwidth->config->npools; i++) {
		const struct delay_pool *pool = &bandwidth->config->pools[i];
		struct pool_buckets *buckets = &bandwidth->pools[i];
		size_t host = number % (pool->class == 3 ? NHOSTS : NHOSTS_OF_NETWORK);

		if (pool->class == 0 || !access_list_allows(pool->access, false, order->facts))
			continue;
		add(pace, buckets->at[0], &pool->rates[0]);
		add(pace, nth(buckets->at[1], number / 256 % NNETWORKS), &pool->rates[1]);
		add(pace, nth(buckets->at[2], host), &pool->rates[2]);
		break;
	}
	order->facts->indirect = indirect;
}

static void add_client_pool(struct bandwidth *bandwidth, const struct pace_order *order,
			    struct pace *pace)
{
	for (unsigned i = 0; i < bandwidth->config->nclient_pools; i++) {
		const struct delay_pool *pool = &bandwidth->config->client_pools[i];
		size_t slot = slot_of_client(bandwidth, order->facts->client);

		if (!access_list_allows(pool->access, false, order->facts))
			continue;
		add(pace, nth(bandwidth->clients[i], slot), &pool->rates[0]);
		return;
	}
}

static void add_response_pool(struct bandwidth *bandwidth, const struct pace_order *order,
			      struct pace *pace)
{
	for (unsigned i = 0; i < bandwidth->nresponses; i++) {
		struct response_bucket *response = &bandwidth->responses[i];
		const struct response_pool *pool = response->pool;
		struct rate_limit limit = limit_of(&pool->individual);

		if (!access_list_allows(pool->access, false, order->facts))
			continue;
		rate_bucket_fill(&pace->own, &limit, pool->initial_percent,
				 loop_now_ms(order->loop));
		add(pace, &pace->own, &pool->individual);
		add(pace, &response->aggregate, &pool->aggregate);
		return;
	}
}

static void timer_fired(struct timer *timer)
{
	struct pace *pace = CONTAINER(timer, struct pace, timer);

	pace->resume(pace->owner);
}

struct pace *bandwidth_pace(struct bandwidth *bandwidth, const struct pace_order *order)
{
	struct pace *pace = arena_zalloc(order->arena, sizeof(*pace));

	pace->loop = order->loop;
	pace->resume = order->resume;
	pace->owner = order->owner;
	timer_init(&pace->timer, timer_fired);
	if (!order->is_hit)
		add_delay_pool(bandwidth, order, pace);
	add_client_pool(bandwidth, order, pace);
	add_response_pool(bandwidth, order, pace);
	return pace->n > 0 ? pace : NULL;
}

void pace_stop(struct pace *pace)
{
	if (pace)
		timer_cancel(&pace->timer);
}

/* ---- taking */

uint64_t pace_may(struct pace *pace, uint64_t max)
{
	int64_t least = max < LEAST_BYTES ? (int64_t)max : LEAST_BYTES, wait_ms = 0;
	int64_t now_ms = loop_now_ms(pace->loop);

	for (unsigned i = 0; i < pace->n; i++) {
		const struct rate_limit *limit = &pace->at[i].limit;
		int64_t level = rate_bucket_level(pace->at[i].bucket, limit, now_ms);
		int64_t ms = rate_bucket_wait_ms(pace->at[i].bucket, limit, least, now_ms);

		if (level > 0 && (uint64_t)level < max)
			max = (uint64_t)level;
		if (ms > wait_ms)
			wait_ms = ms;
	}
	if (wait_ms == 0)
		return max;
	timer_set(pace->loop, &pace->timer,
		  now_ms + (wait_ms < MAX_WAIT_MS ? wait_ms : MAX_WAIT_MS));
	return 0;
}

void pace_took(struct pace *pace, uint64_t bytes)
{
	for (unsigned i = 0; i < pace->n; i++)
		rate_bucket_take(pace->at[i].bucket, &pace->at[i].limit, bytes,
				 loop_now_ms(pace->loop));
}

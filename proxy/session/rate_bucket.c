/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/rate_bucket.h"

#define NS_OF_MS INT64_C(1000000)
#define NS_OF_S 1e9
#define MAX_NS 4e18 /* what a bucket can owe: a century */

static double per_second(const struct rate_limit *limit)
{
	return limit->restore_bytes > 0 ? (double)limit->restore_bytes : 1;
}

/* How long so many bytes take to come. */
static int64_t time_of(const struct rate_limit *limit, double bytes)
{
	double ns = bytes / per_second(limit) * NS_OF_S;

	return (int64_t)(ns < MAX_NS ? ns : MAX_NS);
}

void rate_bucket_fill(struct rate_bucket *bucket, const struct rate_limit *limit, int percent,
                      int64_t now_ms)
{
	double missing = (double)limit->max_bytes * (100 - percent) / 100;

	atomic_store_explicit(&bucket->full_at_ns, now_ms * NS_OF_MS + time_of(limit, missing),
			      memory_order_relaxed);
}

int64_t rate_bucket_level(const struct rate_bucket *bucket, const struct rate_limit *limit,
                          int64_t now_ms)
{
	int64_t left_ns = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed) -
			  now_ms * NS_OF_MS;

	if (left_ns <= 0)
		return limit->max_bytes;
	return limit->max_bytes - (int64_t)((double)left_ns / NS_OF_S * per_second(limit));
}

void rate_bucket_take(struct rate_bucket *bucket, const struct rate_limit *limit, uint64_t bytes,
                      int64_t now_ms)
{
	int_least64_t seen = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed);
	int64_t takes_ns = time_of(limit, (double)bytes), now_ns = now_ms * NS_OF_MS;
	int_least64_t next;

	do {
		next = seen > now_ns ? seen : now_ns;
		next = next > INT64_MAX - takes_ns ? INT64_MAX : next + takes_ns;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->full_at_ns, &seen, next,
							memory_order_relaxed,
							memory_order_relaxed));
}

int64_t rate_bucket_wait_ms(const struct rate_bucket *bucket, const struct rate_limit *limit,
                            int64_t bytes, int64_t now_ms)
{
	int64_t asked = bytes < limit->max_bytes ? bytes : limit->max_bytes;
	int64_t missing = asked - rate_bucket_level(bucket, limit, now_ms);

	return missing > 0 ? time_of(limit, (double)missing) / NS_OF_MS + 1 : 0;
}

int64_t rate_bucket_try(struct rate_bucket *bucket, const struct rate_limit *limit, int64_t bytes,
                        int64_t now_ms)
{
	int_least64_t seen = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed);
	int64_t takes_ns = time_of(limit, (double)bytes), now_ns = now_ms * NS_OF_MS;
	int64_t most_ns = time_of(limit, (double)limit->max_bytes);
	int_least64_t next;

	do {
		next = (seen > now_ns ? seen : now_ns) + takes_ns;
		if (next - now_ns > most_ns)
			return (next - now_ns - most_ns) / NS_OF_MS + 1;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->full_at_ns, &seen, next,
							memory_order_relaxed,
							memory_order_relaxed));
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/rate_bucket.h: a token bucket in 8 bytes: when it will be full again tells how much
 * is in it now. Bytes may be taken beyond what is there; later takers wait for that.
 *
 * Threads: any; one atomic, relaxed: nothing else hangs on it. */
#ifndef PROXY_RATE_BUCKET_H
#define PROXY_RATE_BUCKET_H
#include <stdatomic.h>
#include <stdint.h>

/* Bytes that come in a second (0 counts as 1), and how many there can be (more than 0). */
struct rate_limit {
	int64_t restore_bytes, max_bytes;
};

/* Zeroed it is full. Its clock is the monotonic one, in milliseconds outside. */
struct rate_bucket {
	atomic_int_least64_t full_at_ns;
};

/* So many percent of max_bytes are in it. */
void rate_bucket_fill(struct rate_bucket *bucket, const struct rate_limit *limit, int percent,
                      int64_t now_ms);
/* Bytes in it; below 0: so many were taken in advance. */
int64_t rate_bucket_level(const struct rate_bucket *bucket, const struct rate_limit *limit,
                          int64_t now_ms);
void rate_bucket_take(struct rate_bucket *bucket, const struct rate_limit *limit, uint64_t bytes,
                      int64_t now_ms);
/* Takes bytes (at most max_bytes) only if they are there. 0: done; else nothing is taken, and in so
 * many milliseconds they will be. */
int64_t rate_bucket_try(struct rate_bucket *bucket, const struct rate_limit *limit, int64_t bytes,
                        int64_t now_ms);
/* Until bytes are in it, at most max_bytes are asked for; 0: they are. */
int64_t rate_bucket_wait_ms(const struct rate_bucket *bucket, const struct rate_limit *limit,
                            int64_t bytes, int64_t now_ms);

#endif

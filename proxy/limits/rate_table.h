/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/rate_table.h: token buckets by key, in constant memory whatever the number of keys.
 *
 * The table has RATE_TABLE_SLOTS slots (1 MiB), in sets of 8. A key is a 64-bit hash under a secret
 * seed and may lie in any slot of its set. A slot whose bucket is full again tells nothing and is
 * free; so only keys that asked within their last BURST/RATE seconds take one ("active").
 *
 * Errors: two keys are taken for one with a probability of 2^-51 a pair, since a set and 64 bits
 * have to agree. When more than 8 active keys meet in a set, the one that owes least makes room and
 * begins anew with a full burst: an error in the client's favour, of at most one burst each time.
 * That concerns about 1 key in 4000 while 16384 are active, 1 in 50 at 32768. No key ever pays for
 * another's requests. Workers that take at the same moment see each other's tokens: each is given
 * out once.
 *
 * Threads: any; atomics, relaxed: nothing else hangs on them. */
#ifndef PROXY_RATE_TABLE_H
#define PROXY_RATE_TABLE_H
#include <stdbool.h>
#include <stdint.h>

struct rate_limit; /* proxy/session/rate_bucket.h */
struct rate_table; /* opaque */

enum { RATE_TABLE_SLOTS = 65536 };

struct rate_table *rate_table_create(void);
void rate_table_destroy(struct rate_table *table); /* accepts NULL */

/* A number for hashing keys with (hash_str). */
uint64_t rate_table_seed(const struct rate_table *table);

/* Takes amount from key's bucket if that much is in it. 0: done. Else nothing is taken, and this is
 * how many milliseconds from now it would be there (1 at least). amount is at most
 * limit->max_bytes; all calls for one table have the same limit. */
int64_t rate_table_take(struct rate_table *table, uint64_t key, const struct rate_limit *limit,
                        int64_t amount, int64_t now_ms);

#endif

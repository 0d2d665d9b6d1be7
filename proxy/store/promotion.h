/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/promotion.h: which hits on disk go to memory: those of a URL that was hit on disk
 * lately, so that it has a chance to be hit again before it is evicted. "Lately" is among about as
 * many others as fit in memory, were they of 32 KiB. Approximate: one URL may displace another.
 *
 * Threads: any; the table is made of atomics. */
#ifndef PROXY_PROMOTION_H
#define PROXY_PROMOTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct promotion; /* opaque */

struct promotion *promotion_create(size_t memory_bytes);
void promotion_destroy(struct promotion *promotion); /* accepts NULL */

/* Was key noted lately? If not, it is now. key: index_key of the URL. */
bool promotion_is_due(struct promotion *promotion, uint64_t key);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/page_pool.h: blocks of whole pages, all of one size, which give their memory back to the
 * system without being freed.
 *
 * Threads: a pool is one thread's. */
#ifndef BASE_PAGE_POOL_H
#define BASE_PAGE_POOL_H
#include <stddef.h>

struct page_pool; /* opaque */

/* bytes, as many whole pages as it takes. */
size_t page_round(size_t bytes);

/* block_bytes: a multiple of page_round(1). */
struct page_pool *page_pool_create(size_t block_bytes);
void page_pool_destroy(struct page_pool *pool); /* with all blocks; accepts NULL */

/* What is in it is nobody's. Never NULL. */
void *page_pool_take(struct page_pool *pool);
void page_pool_give(struct page_pool *pool, void *block);

/* Whole pages of a block: they take no memory until they are written to, and are zero. */
void page_forget(void *pages, size_t len);

#endif

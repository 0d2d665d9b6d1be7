/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/page_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	CHUNK_BLOCKS = 64, /* that are mapped at once */
	MAX_WARM = 64,     /* spare blocks that keep their memory */
};

struct page_pool {
	size_t block_bytes;
	void **chunks;
	void **spare; /* a stack, with room for all blocks */
	size_t nchunks, nspare;
};

size_t page_round(size_t bytes)
{
	size_t page = (size_t)getpagesize();

	return (bytes + page - 1) / page * page;
}

struct page_pool *page_pool_create(size_t block_bytes)
{
	struct page_pool *pool = mem_zalloc(sizeof(*pool));

	check(block_bytes > 0 && block_bytes == page_round(block_bytes));
	pool->block_bytes = block_bytes;
	return pool;
}

void page_pool_destroy(struct page_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->nchunks; i++)
		check(munmap(pool->chunks[i], CHUNK_BLOCKS * pool->block_bytes) == 0);
	mem_free(pool->chunks);
	mem_free(pool->spare);
	mem_free(pool);
}

static void add_chunk(struct page_pool *pool)
{
	size_t size = CHUNK_BLOCKS * pool->block_bytes;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(at != MAP_FAILED);
	/* A huge page would be there as a whole for one of its blocks. Where there are none it
	 * fails. */
	madvise(at, size, MADV_NOHUGEPAGE);
	pool->nchunks++;
	pool->chunks = mem_realloc(pool->chunks, pool->nchunks * sizeof(void *));
	pool->spare = mem_realloc(pool->spare, pool->nchunks * CHUNK_BLOCKS * sizeof(void *));
	pool->chunks[pool->nchunks - 1] = at;
	for (size_t i = CHUNK_BLOCKS; i-- > 0;)
		pool->spare[pool->nspare++] = at + i * pool->block_bytes;
}

void *page_pool_take(struct page_pool *pool)
{
	if (pool->nspare == 0)
		add_chunk(pool);
	return pool->spare[--pool->nspare];
}

void page_pool_give(struct page_pool *pool, void *block)
{
	if (pool->nspare >= MAX_WARM)
		page_forget(block, pool->block_bytes);
	pool->spare[pool->nspare++] = block;
}

void page_forget(void *pages, size_t len)
{
	check(madvise(pages, len, MADV_DONTNEED) == 0);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A block: the table's pages, then the frames'. Pieces are known by their sizes; a version of
 * nghttp2 that asks for others gets them from the heap, and nothing is given back. */
#include "proxy/session/session_h2_memory.h"

#include <string.h>

#include "lib/base/heap.h"
#include "lib/base/page_pool.h"

enum {
	TABLE_BYTES = 4096,
	FRAMES_BYTES = 16384 + 256, /* at most: of a frame, its head and some padding */
	FRAMES_MIN_BYTES = 16384,
};

static size_t table_room(void)
{
	return page_round(TABLE_BYTES);
}

static size_t block_bytes(void)
{
	return table_room() + page_round(FRAMES_BYTES);
}

struct page_pool *h2_memory_make_pool(void)
{
	return page_pool_create(block_bytes());
}

/* ---- nghttp2's calls */

static void *take(size_t size, void *user)
{
	struct h2_memory *memory = user;

	if (memory->has_frames_ || size < FRAMES_MIN_BYTES || size > FRAMES_BYTES)
		return mem_alloc(size);
	memory->has_frames_ = true;
	return memory->block_ + table_room();
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
	struct h2_memory *memory = user;

	if (memory->has_table_ || size == 0 || n != TABLE_BYTES / size || TABLE_BYTES % size != 0)
		return mem_array(n, size);
	memory->has_table_ = true;
	memset(memory->block_, 0, TABLE_BYTES);
	return memory->block_;
}

static void give(void *piece, void *user)
{
	struct h2_memory *memory = user;

	if (piece == memory->block_)
		memory->has_table_ = false;
	else if (piece == memory->block_ + table_room())
		memory->has_frames_ = false;
	else
		mem_free(piece);
}

static void *take_again(void *piece, size_t size, void *user)
{
	struct h2_memory *memory = user;
	bool is_table = piece == memory->block_;
	size_t had = is_table ? TABLE_BYTES : FRAMES_BYTES;
	void *moved;

	if (!piece) /* so it asks for its buffers */
		return take(size, user);
	if (!is_table && piece != memory->block_ + table_room())
		return mem_realloc(piece, size);
	moved = mem_alloc(size);
	memcpy(moved, piece, size < had ? size : had);
	give(piece, user);
	return moved;
}

/* ---- the whole */

void h2_memory_init(struct h2_memory *memory, struct page_pool *pool)
{
	memory->calls = (nghttp2_mem){memory, take, give, take_zeroed, take_again};
	memory->pool_ = pool;
	memory->block_ = page_pool_take(pool);
}

void h2_memory_fini(struct h2_memory *memory)
{
	page_pool_give(memory->pool_, memory->block_);
}

static bool is_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Pages come back as zeros: an empty table is just that, and one that is not stays as it is. */
void h2_memory_rest(struct h2_memory *memory)
{
	if (memory->has_table_ && is_zero(memory->block_, TABLE_BYTES))
		page_forget(memory->block_, table_room());
	if (memory->has_frames_)
		page_forget(memory->block_ + table_room(), page_round(FRAMES_BYTES));
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { BLOCK_BYTES = 4096, ALIGN = alignof(max_align_t) };

struct arena_block {
	struct arena_block *next;
	alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, void *first, size_t first_size)
{
	*arena = (struct arena){.first_ = first, .first_size_ = first_size};
	arena_reset(arena);
}

void arena_reset(struct arena *arena)
{
	while (arena->blocks_) {
		struct arena_block *next = arena->blocks_->next;

		mem_free(arena->blocks_);
		arena->blocks_ = next;
	}
	arena->at_ = arena->first_;
	arena->left_ = arena->first_size_;
}

void arena_fini(struct arena *arena)
{
	arena_reset(arena);
	arena->left_ = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t pad = (size_t)(-(uintptr_t)arena->at_ & (ALIGN - 1));
	struct arena_block *block;
	char *memory;
	size_t room;

	size += size == 0; /* nothing has an address too */
	if (pad + size <= arena->left_ && pad + size >= size) {
		memory = arena->at_ + pad;
		arena->at_ = memory + size;
		arena->left_ -= pad + size;
		return memory;
	}
	room = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES;
	block = mem_alloc(sizeof(*block) + room);
	block->next = arena->blocks_;
	arena->blocks_ = block;
	if (room > size) {
		arena->at_ = block->bytes + size;
		arena->left_ = room - size;
	}
	return block->bytes;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

struct str arena_str(struct arena *arena, struct str s)
{
	char *copy = arena_alloc(arena, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return (struct str){copy, s.len};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	char first[64], *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(first, sizeof(first), format, args);
	va_end(args);
	check(n >= 0);
	text = arena_alloc(arena, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return (struct str){text, (size_t)n};
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/arena.h: small things that live and go together. One owner at a time.
 *
 * The first bytes come from memory that the caller embeds or allocates once; more is taken in
 * blocks and given back by arena_reset, which keeps the first block. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "lib/base/str.h"

struct arena_block;

struct arena {
	char *at_;
	size_t left_;
	char *first_;
	size_t first_size_;
	struct arena_block *blocks_; /* beyond the first */
};

/* first (may be NULL with size 0) stays the caller's and must outlive the arena. */
void arena_init(struct arena *arena, void *first, size_t first_size);
void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);

/* Aligned for any type; never NULL; not zeroed. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);

/* Copies with a NUL behind (not counted in len). */
struct str arena_str(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif

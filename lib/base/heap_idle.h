/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/heap_idle.h: gives memory back to the system that was freed and lies between what is
 * still in use, where the C library keeps it for good: after a crowd of clients that may be most of
 * it.
 *
 * What is idle is the private memory that is resident without being allocated. It goes back when
 * there is much of it, by itself and beside what is in use, and when it was so at two looks in a
 * row: what a busy program frees is what it asks for next.
 *
 * Threads: one looks. Others that allocate meanwhile may wait for it, some milliseconds when memory
 * is given back. */
#ifndef BASE_HEAP_IDLE_H
#define BASE_HEAP_IDLE_H
#include <stdbool.h>
#include <stddef.h>

enum { HEAP_IDLE_MIN_BYTES = 16 << 20 };

/* Begins with zeros. */
struct heap_idle {
	size_t kept_;   /* what was idle when the last was given back: not the heap's */
	bool was_much_; /* at the look before */
};

/* To be called every some seconds. True: memory was given back. */
bool heap_idle_look(struct heap_idle *idle);

#endif

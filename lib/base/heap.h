/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/heap.h: memory that is always there. None of these returns NULL: when the system has
 * no more, the program says so and ends. Compare sizes that come from outside with a named bound
 * before asking. Threads: any. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H
#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size); /* zeroed */
void *mem_array(size_t n, size_t size); /* zeroed; ends the program on overflow of n * size */
void *mem_realloc(void *old, size_t size);
void *mem_dup(const void *from, size_t size);
char *mem_strdup(const char *text); /* NULL gives NULL */
void mem_free(void *memory); /* accepts NULL */

/* A NUL-terminated text, formatted; the caller frees it. */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

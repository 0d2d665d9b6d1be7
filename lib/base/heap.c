/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_BYTES = 1024 };

static void *must(void *memory)
{
	if (!memory) {
		fputs("FATAL: out of memory\n", stderr);
		abort();
	}
	return memory;
}

/* Not inlined, since the compiler would make a calloc of it in mem_zalloc. */
__attribute__((noinline)) void *mem_alloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

/* calloc passes a thread's own spare pieces by (glibc), but knows when a large one is zero
 * already. */
void *mem_zalloc(size_t size)
{
	if (size > 0 && size <= SMALL_BYTES)
		return memset(mem_alloc(size), 0, size);
	return must(calloc(1, size ? size : 1));
}

void *mem_array(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *mem_realloc(void *old, size_t size)
{
	return must(realloc(old, size ? size : 1));
}

void *mem_dup(const void *from, size_t size)
{
	void *copy = mem_alloc(size);

	if (size > 0)
		memcpy(copy, from, size);
	return copy;
}

char *mem_strdup(const char *text)
{
	return text ? mem_dup(text, strlen(text) + 1) : NULL;
}

void mem_free(void *memory)
{
	free(memory);
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		must(NULL);
	return text;
}

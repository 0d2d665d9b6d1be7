/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/heap_idle.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* Private memory that is resident; 0: not known. */
static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long all = 0, shared = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu %lu", &all, &shared) != 2 || all < shared)
		all = shared = 0;
	fclose(file);
	return (size_t)(all - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

/* *used: what is allocated. */
static size_t idle_bytes(size_t *used)
{
	size_t resident = resident_bytes();
	struct mallinfo2 info;

	*used = 0;
	if (resident < HEAP_IDLE_MIN_BYTES)
		return 0;
	info = mallinfo2();
	*used = info.uordblks + info.hblkhd;
	return resident > *used ? resident - *used : 0;
}

static bool is_much(const struct heap_idle *idle)
{
	size_t used, bytes = idle_bytes(&used);

	return bytes > idle->kept_ && bytes - idle->kept_ >= HEAP_IDLE_MIN_BYTES &&
	       bytes - idle->kept_ >= used / 2;
}

bool heap_idle_look(struct heap_idle *idle)
{
	bool was_much = idle->was_much_;
	size_t used;

	idle->was_much_ = is_much(idle);
	if (!was_much || !idle->was_much_)
		return false;
	malloc_trim(0);
	idle->kept_ = idle_bytes(&used);
	idle->was_much_ = false;
	return true;
}

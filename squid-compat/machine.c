/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/machine.h"

#include <sched.h>
#include <unistd.h>

#include "lib/base/control_group.h"

/* A group's memory.max, where it is less than *least. */
static void take_limit(const char *folder, void *least)
{
	uint64_t *bytes = least, limit = control_group_number(folder, "memory.max");

	if (limit < *bytes)
		*bytes = limit;
}

uint64_t machine_memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t physical = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;

	control_groups_each(CONTROL_GROUP_ROOT, take_limit, &physical);
	return physical;
}

unsigned machine_cores(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	else
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
}

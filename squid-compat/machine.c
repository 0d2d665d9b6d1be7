/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/heap.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* The first line of a small file without its end; false when it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool is_read;

	if (!file)
		return false;
	is_read = fgets(line, (int)size, file) != NULL;
	fclose(file);
	if (is_read)
		line[strcspn(line, "\n")] = '\0';
	return is_read;
}

/* memory.max of one group; UINT64_MAX when it has no limit ("max") or is not there. */
static uint64_t group_limit(const char *group)
{
	char *path = mem_printf(CGROUP_ROOT "%s/memory.max", group);
	char line[64];
	uint64_t bytes;

	if (!read_line(path, line, sizeof(line)) || sscanf(line, "%" SCNu64, &bytes) != 1)
		bytes = UINT64_MAX;
	mem_free(path);
	return bytes;
}

/* Limits count from our own group ("0::/a/b") up to the root, a container's own within it. */
static uint64_t groups_limit(void)
{
	uint64_t least = group_limit("");
	char line[4096], *group, *slash;

	if (!read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::/", 4) != 0)
		return least;
	for (group = line + 3; *group; *slash = '\0') {
		uint64_t bytes = group_limit(group);

		if (bytes < least)
			least = bytes;
		slash = strrchr(group, '/');
	}
	return least;
}

uint64_t machine_memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t physical = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
	uint64_t limit = groups_limit();

	return limit < physical ? limit : physical;
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

/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/control_group.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/heap.h"

enum { LINE_BYTES = 4096 };

static FILE *open_file(const char *folder, const char *file)
{
	char *path = mem_printf("%s/%s", folder, file);
	FILE *opened = fopen(path, "re");

	mem_free(path);
	return opened;
}

/* Our own group, "/a/b"; false: it is not known. */
static bool read_own(char line[LINE_BYTES])
{
	static const char unified[] = "0::/";
	FILE *file = fopen("/proc/self/cgroup", "re");
	bool is_found = false;

	while (file && !is_found && fgets(line, LINE_BYTES, file))
		is_found = strncmp(line, unified, sizeof(unified) - 1) == 0;
	if (file)
		fclose(file);
	if (!is_found)
		return false;
	line[strcspn(line, "\n")] = '\0';
	memmove(line, line + 3, strlen(line + 3) + 1);
	return true;
}

void control_groups_each(const char *root, void (*each)(const char *folder, void *arg), void *arg)
{
	char group[LINE_BYTES];

	if (read_own(group))
		for (; strcmp(group, "/") != 0 && group[0]; *strrchr(group, '/') = '\0') {
			char *folder = mem_printf("%s%s", root, group);

			each(folder, arg);
			mem_free(folder);
		}
	each(root, arg);
}

uint64_t control_group_number(const char *folder, const char *file)
{
	FILE *opened = open_file(folder, file);
	uint64_t number = UINT64_MAX;

	if (!opened)
		return UINT64_MAX;
	if (fscanf(opened, "%" SCNu64, &number) != 1)
		number = UINT64_MAX;
	fclose(opened);
	return number;
}

uint64_t control_group_field(const char *folder, const char *file, const char *name)
{
	FILE *opened = open_file(folder, file);
	char line[LINE_BYTES], found[64];
	uint64_t number, result = 0;

	while (opened && fgets(line, sizeof(line), opened))
		if (sscanf(line, "%63s %" SCNu64, found, &number) == 2 && strcmp(found, name) == 0)
			result = number;
	if (opened)
		fclose(opened);
	return result;
}

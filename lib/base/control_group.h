/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/control_group.h: the control groups (cgroup v2) that this process is in, from its own up
 * to the root; a container's own root within it too. Reads small files under /proc and /sys, which
 * may block for a moment. Any thread. */
#ifndef BASE_CONTROL_GROUP_H
#define BASE_CONTROL_GROUP_H
#include <stdint.h>

#define CONTROL_GROUP_ROOT "/sys/fs/cgroup"

/* each gets the folder of a group, which may not exist; without one of its own, the root's
 * alone. */
void control_groups_each(const char *root, void (*each)(const char *folder, void *arg), void *arg);

/* The number that is all of a file; UINT64_MAX when that says "max" or is not there. */
uint64_t control_group_number(const char *folder, const char *file);

/* The number behind a name in a file of "NAME NUMBER" lines; 0 when there is none. */
uint64_t control_group_field(const char *folder, const char *file, const char *name);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/cut_vfs.h: a disk whose power can be cut. Files whose path begins with a prefix are
 * written through to the system, and it is remembered what a device may have of them: all that was
 * synced, and any part of what was written since, in any order.
 *
 * Threads: any, but for cut_vfs_install. */
#ifndef TESTS_CUT_VFS_H
#define TESTS_CUT_VFS_H
#include <stdbool.h>

/* SQLite's default from here on; prefix stays valid (NULL: nothing is watched). lies: the device says that it has synced, and
 * has not. */
void cut_vfs_install(const char *prefix);
void cut_vfs_lie(bool lies);

/* Writes what a cut at this moment could leave of prefix + suffix into the file at path: each write
 * since the last sync is there, or not, or some of its sectors are, and later ones may have come
 * first. Several files of one moment: between lock and unlock, which hold up all writes. */
void cut_vfs_lock(void);
void cut_vfs_leave(const char *suffix, const char *path);
void cut_vfs_unlock(void);

#endif

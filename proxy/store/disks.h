/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/disks.h: the cache_dir lines of a server as one store. Squid: cf.data.pre, cache_dir,
 * store_dir_select_algorithm.
 *
 * An object goes to a directory that takes its size, the one that holds its URL already before all;
 * a look-up, and what removes, asks each. Keys are the same numbers for all; object->disk_id tells
 * the disk.
 *
 * Threads: any worker, and the main thread. No call waits for a disk. */
#ifndef PROXY_DISKS_H
#define PROXY_DISKS_H
#include <stdbool.h>
#include <stdint.h>

struct disk;
struct object;
struct server;

/* Where a body of so many bytes (-1: not known) would be stored; NULL: nowhere. */
struct disk *disks_choose(struct server *server, uint64_t key, int64_t body_bytes);

/* To the chosen one, which is returned; NULL: it is not stored. Older ones elsewhere go. */
struct disk *disks_store(struct server *server, struct object *object, uint64_t key);

/* The disk of an object->disk_id; NULL: none. */
struct disk *disks_of(const struct server *server, uint64_t disk_id);

/* Does any of them have something under key, or may it? Without asking a file. */
bool disks_may_have(struct server *server, uint64_t key);

/* disk_remove_all of each. */
unsigned disks_remove_all(struct server *server, uint64_t key);

#endif

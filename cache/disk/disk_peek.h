/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_peek.h: answers a look-up on the thread that asks, when all of it is in the
 * system's memory (cache/disk/disk_pages.h): rows of small bodies straight from the pages of
 * cache.db, with the checks that disk_stream.h makes. Whatever is not plain is left to a reader
 * thread.
 *
 * A reader thread opens the door, by its connection, and closes it before that connection.
 *
 * Threads: disk_door_*: one reader's; who looks through it (disk_lookup_now): any. */
#ifndef CACHE_DISK_PEEK_H
#define CACHE_DISK_PEEK_H
#include <sqlite3.h>
#include <stdbool.h>

#include "cache/disk/disk_internal.h"

struct disk_peek; /* opaque */

/* Opens the door by a connection that has read something, if it is not open yet; the caller's to
 * close, if so. NULL: it was open, or cannot be. May wait for the disk. */
struct disk_peek *disk_door_open(struct disk *disk, sqlite3 *db, unsigned generation);
/* Waits for the threads that look through it just now, some microseconds. Accepts NULL. */
void disk_door_close(struct disk *disk, struct disk_peek *peek);
/* The file grew. False: close the door, it is no use any more. May wait for the disk. */
bool disk_door_refresh(struct disk_peek *peek);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_pages.h: pages of cache.db as its last commit left them, read without a lock,
 * without SQLite's pager and without ever waiting for the disk.
 *
 * The header of the WAL-index (shared memory, https://www.sqlite.org/walformat.html) is read before
 * and after, as with a sequence lock. While it is the same nothing was committed and the log was
 * not begun anew, so that each page lies where the index says, or in the database itself: a
 * checkpoint under way writes only pages that the index leads to the log for. So no lock holds a
 * checkpoint up, and none typed elsewhere holds us up. Reads are preadv2 with RWF_NOWAIT: what the
 * system does not have in memory is "not now", as is everything else out of the ordinary; a reader
 * thread then does it by SQL. Every byte counts as hostile.
 *
 * Interior pages of the tables are kept (512 KiB at most), each under a lock of its own.
 *
 * Threads: create, destroy and refresh by the one that uses the connection; the rest by any. */
#ifndef CACHE_DISK_PAGES_H
#define CACHE_DISK_PAGES_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/disk/schema.h"

struct disk_pages; /* opaque */

/* Before the first connection is opened, once: how descriptors are learned from SQLite. (Opening
 * the file a second time would drop SQLite's locks when that descriptor is closed.) */
void disk_pages_setup_once(void);

/* db has read something and stays open, by one thread, until disk_pages_destroy. NULL: it is not
 * laid out as this expects (page size, no WAL). May wait for the disk. */
struct disk_pages *disk_pages_create(sqlite3 *db);
void disk_pages_destroy(struct disk_pages *pages); /* accepts NULL; nobody reads any more */
/* Maps what the WAL-index has grown by. May wait for the disk. */
void disk_pages_refresh(struct disk_pages *pages);
/* False for good: the file system cannot read without waiting, or the tables were moved. */
bool disk_pages_is_usable(struct disk_pages *pages);

/* The WAL-index's header. */
struct disk_snapshot {
	uint32_t word[12];
};
/* False: not now. */
bool disk_pages_begin(struct disk_pages *pages, struct disk_snapshot *snapshot);
/* Nothing was committed since: what was read hangs together. */
bool disk_pages_is_current(struct disk_pages *pages, const struct disk_snapshot *snapshot);

/* A row, in a leaf of its table. */
struct disk_cell {
	unsigned char page[SCHEMA_PAGE_BYTES];
	const unsigned char *at; /* the record's beginning, in page */
	size_t local;            /* how much of it lies here */
	uint64_t len;            /* of the record */
	uint32_t overflow;       /* the page where it goes on; 0: all of it is here */
};
enum disk_find {
	DISK_FIND_ROW,
	DISK_FIND_NONE,
	DISK_FIND_NOT_NOW,
};
/* The row of that id in the table whose root is page number root. */
enum disk_find disk_pages_find(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			       uint32_t root, uint64_t id, struct disk_cell *cell);
/* The record's bytes from where the leaf ends to its end, len of them, into to. */
bool disk_pages_read_rest(struct disk_pages *pages, const struct disk_snapshot *snapshot,
			  const struct disk_cell *cell, char *to, size_t len);

/* SQLite's numbers of 1 to 9 bytes. How many bytes; 0: it does not end before end. */
size_t disk_varint(const unsigned char *at, const unsigned char *end, uint64_t *out);
uint64_t disk_big_endian(const unsigned char *at, size_t len);

#endif

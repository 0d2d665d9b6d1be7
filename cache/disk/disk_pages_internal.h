/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_pages_internal.h: between pages (disk_pages.c) and the rows in them
 * (disk_tree.c). */
#ifndef CACHE_DISK_PAGES_INTERNAL_H
#define CACHE_DISK_PAGES_INTERNAL_H
#include <stdatomic.h>
#include <sys/uio.h>

#include "cache/disk/disk_pages.h"
#include "lib/base/lock.h"

enum {
	DISK_PAGE = SCHEMA_PAGE_BYTES,
	DISK_MAX_REGIONS = 16, /* of the WAL-index: a log of half a gigabyte; the writer pauses long before */
};

struct disk_memory; /* opaque: what disk_tree.c remembers, behind locks of its own */

struct disk_memory *disk_memory_create(void);
void disk_memory_destroy(struct disk_memory *memory);

struct disk_pages {
	/* immutable after create */
	sqlite3_file *db_file;
	int db_fd, log_fd;
	uint32_t cookie;
	_Atomic(uint32_t *) regions[DISK_MAX_REGIONS]; /* release when mapped, acquire by readers */
	atomic_bool is_unusable;
	struct {
		struct lock lock;
		struct disk_snapshot snapshot; /* under which the cookie was last seen unchanged */
	} checked;
	struct disk_memory *memory;
};

/* One version of a page: its frame in the log, or 0: the database's. */
struct disk_place {
	uint32_t number, frame;
};

/* Where the snapshot has that page. False: not now. */
bool disk_place_find(struct disk_pages *pages, const struct disk_snapshot *snapshot,
                     uint32_t number, struct disk_place *place);
/* Its bytes from offset on, len of them in all (which may go on in pages that follow it in the
 * database). False: not now. */
bool disk_place_read(struct disk_pages *pages, const struct disk_place *place, size_t offset,
		     const struct iovec *iov, int niov, size_t len);

/* Which log it is: the frames of one never change. */
static inline const uint32_t *disk_snapshot_salt(const struct disk_snapshot *snapshot)
{
	enum { WORD_SALT = 8 };

	return &snapshot->word[WORD_SALT];
}

#endif

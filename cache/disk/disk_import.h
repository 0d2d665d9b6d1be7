/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_import.h: objects of another cache.db, read one by one to be stored here.
 * Everything in that file counts as hostile: rows and pieces are checked as those of our own file
 * are.
 *
 * Threads: one, which may block on the file for a moment. */
#ifndef CACHE_DISK_IMPORT_H
#define CACHE_DISK_IMPORT_H
#include <stdint.h>

#include "lib/base/err.h"

struct disk;
struct disk_import; /* opaque */
struct purge_list;

enum { IMPORT_MAX_BODY_BYTES = 64 << 20 }; /* larger bodies are skipped: each is in memory once */

struct disk_import_config {
	const char *path;
	uint64_t seed; /* of the keys here */
	struct disk *(*choose)(void *owner, uint64_t key, uint64_t body_bytes);
	void *owner;
	struct purge_list *purges; /* may be NULL */
};

struct disk_import_count {
	uint64_t total, done; /* objects of the file */
	uint64_t stored;      /* handed to a disk */
	uint64_t skipped;     /* too large, or refused */
	uint64_t damaged;
};

/* NULL, and why: no such file, another program's, or another version's. */
struct disk_import *disk_import_open(const struct disk_import_config *config, struct err_text *why);
void disk_import_close(struct disk_import *import); /* accepts NULL */

enum disk_import_verdict {
	IMPORT_MORE,
	IMPORT_BUSY,  /* the writer's queue is full: try again soon */
	IMPORT_DONE,
	IMPORT_FAULT, /* the file cannot be read any further */
};
/* One object more. */
enum disk_import_verdict disk_import_step(struct disk_import *import,
					  struct disk_import_count *count);

#endif

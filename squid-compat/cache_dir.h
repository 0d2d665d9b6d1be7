/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/cache_dir.h: cache_dir lines: where the disk cache lies. Squid: cf.data.pre,
 * cache_dir.
 *
 *     cache_dir ufs|aufs|diskd|... PATH MB [L1 L2] [option ...]
 *     cache_dir rock PATH MB [option ...]
 *     cache_dir null ...        an error that is ignored: no disk cache
 * Ours is the option write-budget=SIZE/day: how much may be written to the file in a day of UTC.
 * Each becomes one SQLite file PATH/cache.db of that size, whatever the type says. Memory: the
 * arena's. Threads: built by one, immutable after that. */
#ifndef SQUID_COMPAT_CACHE_DIR_H
#define SQUID_COMPAT_CACHE_DIR_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "squid-compat/replacement.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct cache_dir {
	struct str type;   /* as written, for messages */
	struct str path;   /* the directory, without a slash at its end; with a NUL behind it */
	struct str file;   /* PATH/cache.db; with a NUL behind it */
	uint64_t max_bytes;
	int64_t min_object_bytes;
	int64_t max_object_bytes; /* -1: maximum_object_size decides */
	int64_t write_budget_bytes; /* that may be written a day; 0: any number */
	bool is_read_only; /* no-store: hits are served, nothing is added */
	enum replacement replacement;
	struct cache_dir *next;
};

struct cache_dirs {
	struct cache_dir *first;
	unsigned n;
	/* of the lines to come: cache_replacement_policy as it stands */
	enum replacement replacement;
	/* private */
	struct cache_dir **last_;
	struct arena *arena_;
};

void cache_dirs_init(struct cache_dirs *dirs, struct arena *arena);

/* maximum_object_bytes: maximum_object_size as it stands at this line (a later one does not reach a
 * cache_dir above it), or -1 for no limit. */
void cache_dirs_parse(struct cache_dirs *dirs, const struct words *words,
		      int64_t maximum_object_bytes, struct report *report);

#endif

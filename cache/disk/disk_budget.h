/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_budget.h: how many bytes a day may be written, for media that wear out (ours:
 * write-budget= on cache_dir).
 *
 * Counted are the pages that commits write, twice: to the log, and from there to the database. The
 * days are those of UTC. The sum stands in `meta`, so that a restart does not begin anew; what the
 * last batch before a crash wrote may be missing.
 *
 * Threads: the writer's, but for the state that disk.c asks (struct disk's budget). */
#ifndef CACHE_DISK_BUDGET_H
#define CACHE_DISK_BUDGET_H
#include "cache/disk/disk_writer_internal.h"

/* Reads what was spent today, from a file just opened. */
void budget_open(struct disk_writer *writer);
/* Into `meta`, in the open transaction. An SQLite code. */
int budget_save(struct disk_writer *writer);
/* After a transaction: counts what it wrote; says in the log when the state changes. */
void budget_count(struct disk_writer *writer);
/* Is it another day? */
void budget_tick(struct disk_writer *writer);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_checkpoint.h: a thread that writes SQLite's log back to the database while the
 * writer goes on: it is this one that waits for the device.
 *
 * Threads: all calls are the writer's, and so is done. */
#ifndef CACHE_DISK_CHECKPOINT_H
#define CACHE_DISK_CHECKPOINT_H
#include "cache/disk/disk_internal.h"

struct disk_checkpoint; /* opaque */

/* code: SQLite's; ndone: pages of the log that the database has. The file may have been replaced
 * since: generation says which one it was. */
typedef void disk_checkpoint_done(void *owner, int code, int ndone, unsigned generation);

/* loop: where done runs. On failure *out is untouched. */
enum err disk_checkpoint_start(struct disk *disk, struct loop *loop, disk_checkpoint_done *done,
			       void *owner, struct disk_checkpoint **out, struct err_text *why);
/* Waits for one under way, whose done is not called any more. Accepts NULL. */
void disk_checkpoint_stop(struct disk_checkpoint *checkpoint);
/* Once loop runs no more. Accepts NULL. */
void disk_checkpoint_destroy(struct disk_checkpoint *checkpoint);

/* One at a time: none may be under way. inode: of the file that is meant. */
void disk_checkpoint_ask(struct disk_checkpoint *checkpoint, uint64_t inode);
/* The file is not to be held open any more. */
void disk_checkpoint_forget(struct disk_checkpoint *checkpoint);
bool disk_checkpoint_is_under_way(const struct disk_checkpoint *checkpoint);

#endif

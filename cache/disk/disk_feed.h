/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_feed.h: a thread that follows bodies on their way in and carries them to the
 * writer in pieces, so that no producer waits for a commit: what the writer's queue does not take
 * ends the store, not the body.
 *
 * Threads: disk_feed_follow by the thread that produces, or before anybody else reads. */
#ifndef CACHE_DISK_FEED_H
#define CACHE_DISK_FEED_H
#include "cache/disk/disk_internal.h"

struct disk_store; /* cache/disk/disk_writer.h */

enum err disk_feed_start(struct disk *disk, struct disk_feed **out, struct err_text *why);
/* Gives up what has not ended, ends the thread. Accepts NULL. */
void disk_feed_stop(struct disk_feed *feed);

/* Takes the store over. Its object is read from the start, from now on. */
void disk_feed_follow(struct disk_feed *feed, struct disk_store *store);

#endif

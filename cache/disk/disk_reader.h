/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_reader.h: a thread that reads cache.db with a connection of its own.
 *
 * It takes its queue of questions in one read transaction (20 ms at most, since a reader keeps the
 * log from being written back). A body of one piece is read with its row; of a larger one the
 * thread becomes the producer, and goes on whenever the object's readers have made room.
 *
 * Threads: disk_reader_post by any; the job's answer goes to the loop of the asking thread. */
#ifndef CACHE_DISK_READER_H
#define CACHE_DISK_READER_H
#include "cache/disk/disk_internal.h"

/* A question under way. The asking thread's, the reader's between post and answer. */
struct disk_job {
	struct mail mail;
	struct list node;
	struct disk_reader *reader;
	struct loop *loop; /* the asking one */
	uint64_t key, keep_bytes;
	bool is_lazy;
	bool is_for_variant; /* the query has known */
	struct object *object; /* the answer, with a reference */
	unsigned nhits;
	struct {
		struct lock lock;
		struct disk_query *query; /* NULL: cancelled */
	} shared;
};

enum err disk_reader_start(struct disk *disk, struct disk_reader **out, struct err_text *why);
/* Answers what was asked, cuts short what streams, ends the thread. Accepts NULL. */
void disk_reader_stop(struct disk_reader *reader);
/* Another process is about to write: what is streamed from here on is read as it is now, until the
 * last of the streams has ended. Once; nholding counts it. */
void disk_reader_hold(struct disk_reader *reader);

/* The job is given away; its answer comes by mail. */
void disk_reader_post(struct disk_reader *reader, struct disk_job *job);

/* An answer of its has not come for long: it hangs in the system. It counts among disk->nstalled
 * until it has answered. Any thread, before disk_reader_stop. */
void disk_reader_note_stall(struct disk_reader *reader);
bool disk_reader_is_stalled(struct disk_reader *reader);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/log_writer.h: the thread that writes access logs and cache.log. Workers append to
 * batches in memory; the thread takes them every 100 ms, merges records by time and writes each
 * file once. What goes elsewhere than to files goes through log_target.h. When it cannot keep up,
 * or a file cannot be written, records are dropped, counted and said.
 *
 * Threads: log_writer_add from any; each batch has a lock of its own, held for a copy. */
#ifndef PROXY_LOG_WRITER_H
#define PROXY_LOG_WRITER_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct log_file;   /* opaque: a file, or a target that is none */
struct log_daemon_view; /* log_target.h */
struct log_target_options;
struct log_writer; /* opaque */

enum { LOG_WRITER_MAX_BATCH_BYTES = 4 << 20, LOG_WRITER_HOLD_MS = 30000 };

/* nbatches: one for each worker, and one more for everybody else. */
struct log_writer *log_writer_create(unsigned nbatches);
enum err log_writer_start(struct log_writer *writer, struct err_text *why);
/* Writes what is left and ends the thread. Accepts NULL. */
void log_writer_destroy(struct log_writer *writer);

/* The file of that path, opened for appending when it is not open yet. keep: old files to keep at a
 * rotation (0: reopen only). It is open until log_writer_release, or with the writer. Any thread.
 * On failure *out is untouched. */
enum err log_writer_file(struct log_writer *writer, const char *path, int keep,
			 struct log_file **out, struct err_text *why);

/* The same for what is no file. It may ask the system for an address and wait. */
enum err log_writer_target(struct log_writer *writer, const struct log_target_options *options,
			   struct log_file **out, struct err_text *why);
/* No record comes for it any more from who got it; the last one closes it. Accepts NULL. */
void log_writer_release(struct log_writer *writer, struct log_file *file);

/* record: one or more whole lines, with their newlines. time_us orders records of different
 * batches. */
void log_writer_add(struct log_writer *writer, unsigned batch, struct log_file *file,
		    int64_t time_us, struct str record);

/* The same, for a file whose directory may come later: what cannot be opened is tried again while
 * there are records, which are lost until then. ERR_OK with a why that is not empty, then. */
enum err log_writer_file_or_wait(struct log_writer *writer, const char *path, int keep,
				 struct log_file **out, struct err_text *why);

/* From now on its records are written when there are many, when it is rotated, at the end, or after
 * LOG_WRITER_HOLD_MS (buffered_logs); or, false, at once. Any thread; not for targets. */
void log_writer_hold(struct log_file *file, bool may_hold);

/* Something else for the thread to do, that may wait for a disk: run is called there, soon, or at
 * the writer's end. The job is given away until then. Any thread. */
struct log_job {
	struct log_job *next_;
	void (*run)(struct log_job *job);
};
void log_writer_post(struct log_writer *writer, struct log_job *job);

/* How many records were lost since the start, of whatever file or target. Any thread. */
uint64_t log_writer_lost(const struct log_writer *writer);

/* What the log daemon number i does, of those that there are: false when there are no more. Any
 * thread. */
bool log_writer_daemon(struct log_writer *writer, unsigned i, struct log_daemon_view *out);

/* Renames and reopens all files, soon. Any thread. */
void log_writer_rotate(struct log_writer *writer);

#endif

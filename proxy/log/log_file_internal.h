/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/log_file_internal.h: one place that log_writer.c writes to: a file, or a log_target.
 *
 * The log thread's, but for what is made before it knows of the file. A file that cannot be written
 * loses records, counts them and says so; one that cannot be opened is tried again each second. */
#ifndef PROXY_LOG_FILE_INTERNAL_H
#define PROXY_LOG_FILE_INTERNAL_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/health.h"
#include "proxy/log/log_target.h"

/* path, target: immutable; keep: relaxed; nusers, is_daemon, view: guarded by the writer's mutex;
 * the rest is the thread's. */
struct log_file {
	char *path;                /* or what stands for a target */
	struct log_target *target; /* NULL: it is a file */
	atomic_int keep;
	unsigned nusers;
	bool is_daemon; /* and what it does is known: */
	struct log_daemon_view view;
	int fd;
	struct buf out;
	bool is_torn; /* a record was cut short: the next one begins on a line of its own */
	uint64_t nlost, ncounted; /* ever; of these, those that the writer has counted */
	int64_t said_ms; /* when that was said last; 0: not yet */
	int64_t tried_ms;          /* to open it */
	atomic_bool may_hold;      /* relaxed: buffered_logs */
	int64_t held_ms;           /* since when out is not empty */
	struct health_note health; /* while it cannot be opened */
};

/* A descriptor of the file, made if there is none; -1 and errno. */
int log_file_open(const char *path);
/* It could not be opened, for that errno. */
void log_file_tell_unopened(struct log_file *file, int error);
/* Adds a record to what log_file_write writes. */
void log_file_add(struct log_file *file, struct str text);
void log_file_write(struct log_file *file);
/* May what was added wait for more? Not for longer than LOG_WRITER_HOLD_MS. */
bool log_file_may_wait(const struct log_file *file);
/* X.(N-2) → X.(N-1) ... X → X.0, then a new X. */
void log_file_rotate(struct log_file *file);
void log_file_destroy(struct log_file *file);
/* Is it time to say something again? Once a minute is enough; *said_ms is 0 at first. */
bool log_file_may_say(int64_t *said_ms);

#endif

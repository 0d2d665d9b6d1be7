/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/minutes.h: what each site did in each minute of the last 30 days, in a SQLite file
 * of its own (stats_file, ours) that a shell can read: docs/METRICS.md. A minute is one transaction
 * of the log thread, which waits for no disk (synchronous=NORMAL); what cannot be written is
 * written with the next minute.
 *
 * Threads: the main thread's; the file is the log thread's until that has ended. */
#ifndef PROXY_MINUTES_H
#define PROXY_MINUTES_H

struct loop;
struct minutes; /* opaque */
struct server;

enum { MINUTES_DAYS = 30 };

/* path is copied. server runs, and outlives minutes_stop. */
struct minutes *minutes_create(struct server *server, struct loop *loop, const char *path);
/* No reading any more: before the workers stop. Accepts NULL. */
void minutes_stop(struct minutes *minutes);
/* The last, unfinished minute: the workers have ended, and are still there. Accepts NULL. */
void minutes_read_last(struct minutes *minutes);
/* Writes it, and closes: when the log thread has ended. Accepts NULL. */
void minutes_destroy(struct minutes *minutes);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/store.h: the instance's databases, opened by bobtailctl itself: they can be read and
 * purged whether it runs or not. One thread's. */
#ifndef PROXY_CTL_STORE_H
#define PROXY_CTL_STORE_H
#include <sqlite3.h>
#include <stdint.h>

#include "proxy/ctl/ctl.h"

enum { STORE_BUSY_MS = 10000 }; /* patience with who holds the lock */

/* Calls use with each cache.db of the configuration, open for reading (or writing, triggers on),
 * until one does not return CTL_OK, which is returned. No cache_dir at all, or none that can be
 * opened: a line on stderr and CTL_FAILED. */
int store_each(struct ctl *ctl, bool may_write,
	       int (*use)(sqlite3 *db, const char *path, void *user), void *user);

/* All of them as one, for reading: the views cache, host and hottest and the tables object and
 * usage speak of all files. A file that cannot be opened has a line on stderr, makes *status
 * CTL_FAILED, and is left out; so is one beyond the eleventh, since SQLite reads no more at a time.
 * NULL: there is none. */
sqlite3 *store_open_all(struct ctl *ctl, int *status);

/* A file by its path; NULL: stderr has why. */
sqlite3 *store_open(const char *path, bool may_write);

/* Prepares a statement, or says on stderr what is wrong with it: NULL. */
sqlite3_stmt *store_prepare(sqlite3 *db, const char *sql);
/* The number that a statement gives; otherwise when it gives none or fails. */
int64_t store_number(sqlite3 *db, const char *sql, int64_t otherwise);
/* Runs statements; CTL_OK, or CTL_FAILED with the reason on stderr. */
int store_run(sqlite3 *db, const char *sql);
/* "bobtailctl: PATH: reason" and CTL_FAILED. */
int store_complain(sqlite3 *db);

#endif

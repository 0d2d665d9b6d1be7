/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/schema_views.h: what a person sees of cache.db, and may change: views and triggers.
 *
 * Threads: that which uses the connection, which fires no triggers itself. */
#ifndef CACHE_SCHEMA_VIEWS_H
#define CACHE_SCHEMA_VIEWS_H
#include <sqlite3.h>

/* All of them, where there are none. An SQLite code. */
int schema_make_views(sqlite3 *db);
/* Puts those in place that are missing or read differently, if the file takes it now; others that
 * somebody made stay. */
void schema_mend_views(sqlite3 *db);

#endif

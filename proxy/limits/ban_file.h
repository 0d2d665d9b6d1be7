/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/ban_file.h: keeps the table of bans in a text file, a line each:
 *
 *     ADDRESS[/BITS] SECONDS-SINCE-1970|forever RULE
 *
 * It is read at the start, and again within two seconds when somebody has changed it; bans that no
 * file has had yet are kept then. It is written, beside and renamed, within two seconds of a ban,
 * never over what somebody has changed meanwhile. "#" begins a comment (which the next writing
 * drops).
 *
 * Threads: the main thread's. */
#ifndef PROXY_BAN_FILE_H
#define PROXY_BAN_FILE_H
#include <stdbool.h>

#include "lib/net/loop.h"

struct ban_file; /* opaque */
struct ban_table;
struct config;

/* Where config keeps it: ban_file, else "bans" in the first cache_dir; NULL: nowhere. The caller
 * frees it. */
char *ban_file_path(const struct config *config);

/* NULL path: the table is swept, and nothing kept. path is copied. */
struct ban_file *ban_file_start(struct ban_table *table, const char *path, struct loop *loop);
/* Is it kept there (NULL: nowhere)? Accepts NULL, which is kept nowhere and looks after nothing. */
bool ban_file_is_at(const struct ban_file *file, const char *path);
/* Writes what is due. Accepts NULL. */
void ban_file_stop(struct ban_file *file);

#endif

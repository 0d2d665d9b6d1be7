/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/minutes_file.h: the SQLite file of minutes.h. Threads: one at a time. */
#ifndef PROXY_MINUTES_FILE_H
#define PROXY_MINUTES_FILE_H
#include "lib/base/err.h"
#include "lib/base/health.h"
#include "proxy/manager/sites.h"

/* One site's minute. */
struct minutes_row {
	char site[SITE_NAME_BYTES + 1];
	struct site_counts counts;
};

/* Zeroed but for path: not open yet. */
struct minutes_file {
	const char *path;
	struct sqlite3 *db;
	struct health_note health;
};

/* Adds the rows to that minute (of 1970 on), in one transaction, and drops what is too old. Opens
 * the file when need be. False: nothing is written, and the log has said why once. */
bool minutes_file_write(struct minutes_file *file, int64_t minute, const struct minutes_row *rows,
			unsigned nrows);
void minutes_file_close(struct minutes_file *file);

#endif

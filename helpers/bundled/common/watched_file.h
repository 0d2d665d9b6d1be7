/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/common/watched_file.h: the text of a file that is read again when it has changed.
 * What is wrong with the file is said on standard error, once for each fault, and in `why`.
 *
 * Threads: one. */
#ifndef BUNDLED_COMMON_WATCHED_FILE_H
#define BUNDLED_COMMON_WATCHED_FILE_H
#include <stdbool.h>
#include <sys/stat.h>

#include "lib/base/err.h"

struct watched_file {
	const char *program, *path; /* borrowed */
	bool is_known;              /* it has been read at least once */
	struct err_text why;        /* what is wrong now; "" if nothing is */
	struct stat seen_;
};

/* Nothing is read yet. */
void watched_file_init(struct watched_file *file, const char *program, const char *path);

/* All of the file with a NUL behind, for the caller to mem_free, if it is new or has changed; else
 * NULL. When it cannot be read (file->why says so), the caller goes on with what it has, or, if
 * !is_known, answers BH. Texts with NULs end at the first. */
char *watched_file_read(struct watched_file *file);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/config_files.h: configuration files that lie in memory: a struct source over a
 * table, and a way to compare what a report prints. */
#ifndef TESTS_SUPPORT_CONFIG_FILES_H
#define TESTS_SUPPORT_CONFIG_FILES_H
#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "squid-compat/report.h"
#include "squid-compat/source.h"

struct config_file {
	const char *path;
	const char *bytes;
	size_t len; /* 0: up to the NUL */
};

/* A table that ends with a path of NULL is the source's user. */
static inline enum err config_files_read(void *user, const char *path, struct buf *out,
                                         struct err_text *why)
{
	for (const struct config_file *file = user; file->path; file++) {
		if (strcmp(file->path, path) != 0)
			continue;
		buf_add(out, file->bytes, file->len ? file->len : strlen(file->bytes));
		return ERR_OK;
	}
	err_say(why, "(2) No such file or directory");
	return ERR_IO;
}

static inline enum err config_files_expand(void *user, const char *pattern,
                                           struct source_names *out, struct err_text *why)
{
	out->at = mem_array(16, sizeof(*out->at));
	for (const struct config_file *file = user; file->path; file++)
		if (fnmatch(pattern, file->path, 0) == 0 && out->n < 16)
			out->at[out->n++] = mem_strdup(file->path);
	if (out->n)
		return ERR_OK;
	mem_free(out->at);
	out->at = NULL;
	err_say(why, "(2) No such file or directory");
	return ERR_IO;
}

static inline void config_files_add_line(void *user, const char *line)
{
	buf_add_str(user, str_of(line));
	buf_add_char(user, '\n');
}

/* All that the report prints, a line each; the caller frees it. */
static inline char *config_files_printed(const struct report *report)
{
	struct buf text;

	buf_init(&text, 8 << 20);
	report_print(report, config_files_add_line, &text);
	buf_add_char(&text, '\0');
	return text.at;
}

#endif

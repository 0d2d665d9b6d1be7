/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/scratch.h: a directory of a test's own, and what lies in its files. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { SCRATCH_PATHS = 8, SCRATCH_MAX_FILE_BYTES = 64 << 20 };

struct scratch {
	char directory[64];
	char *paths_[SCRATCH_PATHS]; /* the last ones given out */
	unsigned npaths_;
	struct buf file_;
};

static inline void scratch_init(struct scratch *scratch)
{
	*scratch = (struct scratch){.directory = "/tmp/bobtail-test-XXXXXX"};
	check(mkdtemp(scratch->directory));
	buf_init(&scratch->file_, SCRATCH_MAX_FILE_BYTES);
}

/* The path of a file in it; valid until SCRATCH_PATHS more were asked for. */
static inline const char *scratch_path(struct scratch *scratch, const char *name)
{
	char **path = &scratch->paths_[scratch->npaths_++ % SCRATCH_PATHS];

	mem_free(*path);
	*path = mem_printf("%s/%s", scratch->directory, name);
	return *path;
}

/* NUL-terminated, until the next call; NULL: there is no such file. */
static inline const char *scratch_read(struct scratch *scratch, const char *name)
{
	int fd = open(scratch_path(scratch, name), O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	buf_clear(&scratch->file_);
	if (fd < 0)
		return NULL;
	do {
		scratch->file_.len += (size_t)n;
		n = read(fd, buf_reserve(&scratch->file_, 65536), 65536);
	} while (n > 0);
	close(fd);
	buf_add_char(&scratch->file_, '\0');
	return scratch->file_.at;
}

static inline void scratch_write(struct scratch *scratch, const char *name, const char *text)
{
	int fd = open(scratch_path(scratch, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Does its text come to be the file's? Waits some seconds for another thread. */
static inline bool scratch_comes_to(struct scratch *scratch, const char *name, const char *text)
{
	for (int i = 0; i < 5000; i++) {
		const char *is = scratch_read(scratch, name);

		if (is && strcmp(is, text) == 0)
			return true;
		usleep(1000);
	}
	return false;
}

/* From here on fd 2 is a file of it; returns what it was, for scratch_give_stderr_back. */
static inline int scratch_take_stderr(struct scratch *scratch, const char *name)
{
	int was = dup(STDERR_FILENO);
	int fd = open(scratch_path(scratch, name), O_WRONLY | O_CREAT | O_APPEND, 0600);

	check(was >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
	return was;
}

static inline void scratch_give_stderr_back(int was)
{
	fflush(stderr);
	check(dup2(was, STDERR_FILENO) == STDERR_FILENO);
	close(was);
}

static inline void scratch_fini(struct scratch *scratch)
{
	DIR *directory = opendir(scratch->directory);
	struct dirent *entry;

	check(directory);
	while ((entry = readdir(directory)))
		unlink(scratch_path(scratch, entry->d_name));
	closedir(directory);
	check(rmdir(scratch->directory) == 0);
	for (int i = 0; i < SCRATCH_PATHS; i++)
		mem_free(scratch->paths_[i]);
	buf_fini(&scratch->file_);
}

#endif

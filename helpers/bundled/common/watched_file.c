/* SPDX-License-Identifier: BSD-2-Clause */
/* stat(2) tells changes: another file under the name, another size, another time. */
#include "helpers/bundled/common/watched_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/heap.h"

enum { MAX_FILE_BYTES = 64 << 20 };

void watched_file_init(struct watched_file *file, const char *program, const char *path)
{
	*file = (struct watched_file){.program = program, .path = path};
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* All of fd, which has size bytes; NULL if it has not. A NUL follows. */
static char *read_text(int fd, size_t size)
{
	char *text = mem_alloc(size + 1);
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, text + got, size - got);

		if (n <= 0) {
			mem_free(text);
			return NULL;
		}
		got += (size_t)n;
	}
	text[size] = '\0';
	return text;
}

static char *load(struct watched_file *file, struct err_text *why)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	char *text = NULL;

	if (fd < 0 || fstat(fd, &stat) != 0)
		err_say(why, "cannot open %s: (%d) %s", file->path, errno, strerror(errno));
	else if (!S_ISREG(stat.st_mode) || stat.st_size > MAX_FILE_BYTES)
		err_say(why, "%s is no file of at most 64 MiB", file->path);
	else if (!(text = read_text(fd, (size_t)stat.st_size)))
		err_say(why, "cannot read %s", file->path);
	else
		file->seen_ = stat;
	if (fd >= 0)
		close(fd);
	return text;
}

char *watched_file_read(struct watched_file *file)
{
	struct err_text why = {""};
	struct stat now;
	char *text;

	if (file->is_known && stat(file->path, &now) == 0 && is_same_file(&now, &file->seen_)) {
		file->why = why;
		return NULL;
	}
	text = load(file, &why);
	if (text)
		file->is_known = true;
	else if (strcmp(why.at, file->why.at) != 0)
		fprintf(stderr, "%s: %s: %s\n", file->program, why.at,
		        file->is_known ? "goes on with what it has" : "answers BH until it can");
	file->why = why;
	return text;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The file's bytes, cut into texts by NULs in place, and an array of them in the order of names. */
#include "helpers/bundled/basic_ncsa_auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"

enum { MAX_FILE_BYTES = 64 << 20 };

struct user {
	const char *name, *stored; /* in text */
};

struct users {
	char *path;
	struct stat seen; /* of the file, as it was read */
	char *text;
	struct user *list;
	size_t n;
};

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* By name; equal names in the order of the file. */
static int compare(const void *a, const void *b)
{
	const struct user *left = a, *right = b;
	int by_name = strcmp(left->name, right->name);

	return by_name ? by_name : left->name < right->name ? -1 : 1;
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

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

static void take_line(struct users *users, char *line)
{
	char *colon = strchr(line, ':');

	if (line[0] == '#' || !colon || colon == line)
		return;
	*colon = '\0';
	colon[1 + strcspn(colon + 1, ":\r \t")] = '\0';
	if (colon[1] == '\0')
		return; /* an empty one would let everyone in */
	users->list[users->n++] = (struct user){line, colon + 1};
}

static void index_text(struct users *users)
{
	char *rest = users->text, *line;

	users->list = mem_array(count_lines(users->text), sizeof(*users->list));
	users->n = 0;
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(users, line);
	qsort(users->list, users->n, sizeof(*users->list), compare);
}

static enum err load(struct users *users, struct err_text *why)
{
	int fd = open(users->path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	char *text = NULL;

	if (fd < 0 || fstat(fd, &stat) != 0)
		err_say(why, "cannot open %s: (%d) %s", users->path, errno, strerror(errno));
	else if (!S_ISREG(stat.st_mode) || stat.st_size > MAX_FILE_BYTES)
		err_say(why, "%s is no password file", users->path);
	else if (!(text = read_text(fd, (size_t)stat.st_size)))
		err_say(why, "cannot read %s", users->path);
	if (fd >= 0)
		close(fd);
	if (!text)
		return ERR_IO;
	mem_free(users->list);
	mem_free(users->text);
	users->text = text;
	users->seen = stat;
	index_text(users);
	return ERR_OK;
}

struct users *users_open(const char *path, struct err_text *why)
{
	struct users *users = mem_zalloc(sizeof(*users));

	users->path = mem_strdup(path);
	if (load(users, why) == ERR_OK)
		return users;
	users_close(users);
	return NULL;
}

void users_close(struct users *users)
{
	if (!users)
		return;
	mem_free(users->path);
	mem_free(users->list);
	mem_free(users->text);
	mem_free(users);
}

enum err users_refresh(struct users *users, struct err_text *why)
{
	struct stat now;

	if (stat(users->path, &now) == 0 && is_same_file(&now, &users->seen))
		return ERR_OK;
	return load(users, why);
}

const char *users_find(const struct users *users, const char *name)
{
	size_t low = 0, high = users->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(users->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == users->n || strcmp(users->list[low].name, name) != 0)
		return NULL;
	return users->list[low].stored;
}

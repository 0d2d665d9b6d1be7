/* SPDX-License-Identifier: BSD-2-Clause */
/* The file's bytes, cut into texts by NULs in place, and an array of them in the order of names. */
#include "helpers/bundled/basic_ncsa_auth/users.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/bundled/common/watched_file.h"
#include "lib/base/heap.h"

struct user {
	const char *name, *stored; /* in text */
};

struct users {
	char *path;
	struct watched_file file;
	char *text;
	struct user *list;
	size_t n;
};

/* By name; equal names in the order of the file. */
static int compare(const void *a, const void *b)
{
	const struct user *left = a, *right = b;
	int by_name = strcmp(left->name, right->name);

	return by_name ? by_name : left->name < right->name ? -1 : 1;
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

enum err users_refresh(struct users *users, struct err_text *why)
{
	char *text = watched_file_read(&users->file);

	*why = users->file.why;
	if (!text)
		return why->at[0] ? ERR_IO : ERR_OK;
	mem_free(users->list);
	mem_free(users->text);
	users->text = text;
	index_text(users);
	return ERR_OK;
}

bool users_are_known(const struct users *users)
{
	return users->file.is_known;
}

struct users *users_create(const char *path)
{
	struct users *users = mem_zalloc(sizeof(*users));

	users->path = mem_strdup(path);
	watched_file_init(&users->file, "basic_ncsa_auth", users->path);
	return users;
}

void users_destroy(struct users *users)
{
	if (!users)
		return;
	mem_free(users->path);
	mem_free(users->list);
	mem_free(users->text);
	mem_free(users);
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

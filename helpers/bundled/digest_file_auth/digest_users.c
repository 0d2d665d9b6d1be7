/* SPDX-License-Identifier: BSD-2-Clause */
/* The text, cut by NULs in place, and an array in the order of names. */
#include "helpers/bundled/digest_file_auth/digest_users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/heap.h"

enum { MD5_DIGITS = 32, SHA256_DIGITS = 64 };

struct digest_users {
	const char *program;
	bool is_hashed;
	char *text;
	struct digest_user *list;
	size_t n;
};

struct digest_users *digest_users_create(const char *program, bool is_hashed)
{
	struct digest_users *users = mem_zalloc(sizeof(*users));

	users->program = program;
	users->is_hashed = is_hashed;
	return users;
}

void digest_users_destroy(struct digest_users *users)
{
	if (!users)
		return;
	mem_free(users->list);
	mem_free(users->text);
	mem_free(users);
}

/* By name; equal names in the order of the file. */
static int compare(const void *a, const void *b)
{
	const struct digest_user *left = a, *right = b;
	int by_name = strcmp(left->name, right->name);

	return by_name ? by_name : left->name < right->name ? -1 : 1;
}

/* The next field that is not empty; NULL: there is none. */
static char *next_field(char **rest)
{
	char *field;

	while ((field = strsep(rest, ":")) != NULL && *field == '\0')
		;
	return field;
}

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdefABCDEF") == digits;
}

static void take_line(struct digest_users *users, char *line)
{
	char *name, *first, *second;
	struct digest_user *user = &users->list[users->n];

	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '#' || !(name = next_field(&line)))
		return;
	first = next_field(&line);
	second = next_field(&line);
	*user = (struct digest_user){name, second ? first : NULL, second ? second : first, NULL};
	if (users->is_hashed && user->realm) {
		const char *third = next_field(&line);

		user->sha256 = third && is_hex(third, SHA256_DIGITS) ? third : NULL;
	}
	if (user->secret && (!users->is_hashed || (second && is_hex(second, MD5_DIGITS))))
		users->n++;
	else
		fprintf(stderr, "%s: ignoring invalid password for %s\n", users->program, name);
}

void digest_users_take(struct digest_users *users, char *text)
{
	char *rest = text, *line;
	size_t nlines = 1;

	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		nlines++;
	mem_free(users->list);
	mem_free(users->text);
	users->text = text;
	users->list = mem_array(nlines, sizeof(*users->list));
	users->n = 0;
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(users, line);
	qsort(users->list, users->n, sizeof(*users->list), compare);
}

const struct digest_user *digest_users_find(const struct digest_users *users, const char *name,
                                            const char *realm)
{
	size_t low = 0, high = users->n;

	while (low < high) { /* to behind the last of that name */
		size_t middle = low + (high - low) / 2;

		if (strcmp(users->list[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low > 0 && strcmp(users->list[low - 1].name, name) == 0; low--) {
		const struct digest_user *user = &users->list[low - 1];

		if (!user->realm || strcmp(user->realm, realm) == 0)
			return user;
	}
	return NULL;
}

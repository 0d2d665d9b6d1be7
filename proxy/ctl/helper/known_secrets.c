/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/known_secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/heap.h"
#include "proxy/ctl/ctl.h"

enum { READ_BYTES = 65536 };

struct known_secret {
	char hex[SECRETS_HEX + 1];
	char *secret;
};

static bool read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	char *room;
	size_t n;
	bool is_read;

	if (!file)
		return false;
	while ((room = buf_reserve(out, READ_BYTES)) && (n = fread(room, 1, READ_BYTES, file)) > 0)
		out->len += n;
	is_read = !ferror(file);
	fclose(file);
	if (!room)
		errno = EFBIG;
	return is_read && room;
}

static int compare(const void *one, const void *other)
{
	return strcmp(((const struct known_secret *)one)->hex,
	              ((const struct known_secret *)other)->hex);
}

static void add_lines(struct known_secrets *known, struct str text, struct secrets *secrets)
{
	struct str line;
	size_t room = 0;

	while (str_split(&text, '\n', &line)) {
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		if (known->n == room) {
			room = room > 0 ? 2 * room : 64;
			known->rows = mem_realloc(known->rows, room * sizeof(*known->rows));
		}
		memcpy(known->rows[known->n].hex, secrets_hash(secrets, line), SECRETS_HEX + 1);
		known->rows[known->n++].secret = str_dup(line);
	}
	if (known->n > 0)
		qsort(known->rows, known->n, sizeof(*known->rows), compare);
}

bool known_secrets_read(struct known_secrets *known, const char *path, struct secrets *secrets)
{
	struct buf text;
	bool is_read;

	buf_init(&text, KNOWN_SECRETS_MAX_BYTES);
	is_read = read_file(path, &text);
	if (is_read)
		add_lines(known, buf_str(&text), secrets);
	else
		ctl_fail("%s: %s", path, strerror(errno));
	buf_fini(&text);
	return is_read;
}

void known_secrets_fini(struct known_secrets *known)
{
	for (size_t i = 0; i < known->n; i++)
		mem_free(known->rows[i].secret);
	mem_free(known->rows);
	*known = (struct known_secrets){0};
}

static const char *find(void *user, struct str hex)
{
	const struct known_secrets *known = user;
	struct known_secret key;
	const struct known_secret *row;

	if (known->n == 0 || hex.len != SECRETS_HEX)
		return NULL;
	memcpy(key.hex, hex.at, SECRETS_HEX);
	key.hex[SECRETS_HEX] = '\0';
	row = bsearch(&key, known->rows, known->n, sizeof(key), compare);
	return row ? row->secret : NULL;
}

bool known_secrets_restore(const struct known_secrets *known, struct str question, struct buf *out)
{
	return secrets_restore(question, find, (void *)known, out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/acme_challenge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TOKEN_BYTES = 128, MAX_PATH_BYTES = 4096 };

/* RFC 8555 §8.1: base64url, so no dot and no slash. */
static bool is_token(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.at[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return name.len > 0 && name.len <= MAX_TOKEN_BYTES;
}

static bool read_file(int fd, struct buf *out)
{
	char bytes[ACME_MAX_BYTES];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > ACME_MAX_BYTES)
		return false;
	do
		n = read(fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	return n > 0 && buf_add(out, bytes, (size_t)n);
}

bool acme_challenge_read(const char *dir, struct str path, struct buf *out)
{
	static const struct str prefix = {"/.well-known/acme-challenge/", 28};
	struct str token = str_from(path, prefix.len);
	char file[MAX_PATH_BYTES];
	bool is_read;
	int fd;

	if (!str_starts_with(path, prefix) || !is_token(token) ||
	    snprintf(file, sizeof(file), "%s/%.*s", dir, STR_ARG(token)) >= (int)sizeof(file))
		return false;
	fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_read = read_file(fd, out);
	close(fd);
	return is_read;
}

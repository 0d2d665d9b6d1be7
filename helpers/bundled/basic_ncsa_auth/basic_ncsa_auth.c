/* SPDX-License-Identifier: BSD-2-Clause */
/* basic_ncsa_auth FILE: checks names and passwords against a password file (htpasswd's). In and out
 * as Squid's program of that name:
 *     USER SP PASS LF (both %XX-escaped)  →  "OK" | "ERR Wrong password" | "ERR No such user" ...
 * LF */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "helpers/bundled/basic_ncsa_auth/password.h"
#include "helpers/bundled/basic_ncsa_auth/users.h"
#include "lib/base/str.h"

enum { LINE_BYTES = 32768 };

/* %XX in place; %00 stays. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high = *text == '%' ? ascii_hex(text[1]) : -1;
		int low = high >= 0 ? ascii_hex(text[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*out++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static const char *answer(const struct users *users, char *line)
{
	static const char *const answers[] = {
		[PASSWORD_RIGHT] = "OK",
		[PASSWORD_WRONG] = "ERR Wrong password",
		[PASSWORD_TOO_LONG] = "ERR Password too long. Only 8 characters accepted.",
	};
	char *password = strchr(line, ' ');
	const char *stored;

	if (!password || password == line || password[1] == '\0')
		return "ERR";
	*password++ = '\0';
	unescape(line);
	unescape(password);
	stored = users_find(users, line);
	if (!stored)
		return "ERR No such user";
	return answers[password_check(password, stored)];
}

/* A line without its end; false at the end of input. What does not fit is read away, and *line is
 * empty then. */
static bool read_line(char *line)
{
	size_t len;
	int c = 0;

	if (!fgets(line, LINE_BYTES, stdin))
		return false;
	len = strcspn(line, "\n");
	if (line[len] == '\0' && !feof(stdin)) {
		while (c != EOF && c != '\n')
			c = getchar();
		len = 0;
	}
	line[len] = '\0';
	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
	return true;
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];
	struct err_text why;
	struct users *users;

	if (argc != 2) {
		fprintf(stderr, "Usage: basic_ncsa_auth FILE\n");
		return 1;
	}
	users = users_open(argv[1], &why);
	if (!users) {
		fprintf(stderr, "FATAL: basic_ncsa_auth: %s\n", why.at);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (read_line(line)) {
		users_refresh(users, &why); /* what is wrong was said */
		puts(answer(users, line));
		memset(line, 0, sizeof(line));
	}
	users_close(users);
	return 0;
}

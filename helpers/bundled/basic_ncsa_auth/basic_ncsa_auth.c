/* SPDX-License-Identifier: BSD-2-Clause */
/* basic_ncsa_auth FILE: checks names and passwords against a password file (htpasswd's). In and out
 * as Squid's program of that name:
 *     USER SP PASS LF (both %XX-escaped)  →  "OK" | "ERR Wrong password" | "ERR No such user" ...
 * LF */
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/bundled/basic_ncsa_auth/password.h"
#include "helpers/bundled/basic_ncsa_auth/users.h"
#include "helpers/bundled/common/helper_line.h"

static const char *check_password(const struct users *users, const char *user, const char *password)
{
	static const char *const answers[] = {
		[PASSWORD_RIGHT] = "OK",
		[PASSWORD_WRONG] = "ERR Wrong password",
		[PASSWORD_TOO_LONG] = "ERR Password too long. Only 8 characters accepted.",
	};
	const char *stored = users_find(users, user);

	return stored ? answers[password_check(password, stored)] : "ERR No such user";
}

static void answer(struct helper_lines *lines, const struct users *users, char *question)
{
	char *password = strchr(question, ' ');

	if (!password || password == question || password[1] == '\0') {
		helper_answer(lines, "ERR");
		return;
	}
	*password++ = '\0';
	helper_unescape(question);
	helper_unescape(password);
	helper_answer(lines, "%s", check_password(users, question, password));
	gnutls_memset(password, 0, strlen(password));
}

int main(int argc, char **argv)
{
	struct helper_lines lines;
	struct err_text why;
	struct users *users;
	char *question;

	if (argc != 2) {
		fprintf(stderr, "Usage: basic_ncsa_auth FILE\n");
		return 1;
	}
	users = users_create(argv[1]);
	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_NEVER);
	users_refresh(users, &why);
	while ((question = helper_lines_next(&lines)) != NULL) {
		users_refresh(users, &why);
		if (users_are_known(users))
			answer(&lines, users, question);
		else
			helper_answer_broken(&lines, why.at);
	}
	helper_lines_fini(&lines);
	users_destroy(users);
	return 0;
}

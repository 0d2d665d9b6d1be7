/* SPDX-License-Identifier: BSD-2-Clause */
/* ext_session_acl [-t|-T SECONDS] [-b PATH] [-a]: who has a session. In and out as Squid's program
 * of that name, with SQLite for its database:
 *     ID SP KEY [SP "LOGIN" | SP "LOGOUT" | SP "-"] LF → OK [message="Welcome" | message="Bye"] |
 *         ERR message="Welcome" (a session begins now) | ERR message="No session available" (-a)
 * The key is compared as it comes, escapes and all. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/ext_session_acl/sessions.h"
#include "lib/base/check.h"

static const char program[] = "ext_session_acl";

enum { DEFAULT_TIMEOUT_S = 3600 };

enum wish { ASK, LOGIN, LOGOUT };

/* Cuts what is wished off the key. */
static enum wish take_wish(char *key)
{
	static const struct {
		struct str suffix;
		enum wish wish;
	} wishes[] = {{STR(" LOGIN"), LOGIN}, {STR(" LOGOUT"), LOGOUT}, {STR(" -"), ASK}};
	size_t len = strlen(key);

	for (size_t i = 0; i < COUNT(wishes); i++) {
		struct str suffix = wishes[i].suffix;

		if (len < suffix.len || strcmp(key + len - suffix.len, suffix.at) != 0)
			continue;
		key[len - suffix.len] = '\0';
		return wishes[i].wish;
	}
	return ASK;
}

/* What is answered to key; NULL, and why, if the database cannot be used. */
static const char *decide(struct sessions *sessions, bool is_active, char *key,
                          struct err_text *why)
{
	enum wish wish = take_wish(key);
	bool is_there = false;

	if (wish == LOGIN)
		return sessions_begin(sessions, key, why) == ERR_OK ? "OK message=\"Welcome\""
		                                                    : NULL;
	if (wish == LOGOUT)
		return sessions_end(sessions, key, why) == ERR_OK ? "OK message=\"Bye\"" : NULL;
	if (sessions_find(sessions, key, &is_there, why) != ERR_OK)
		return NULL;
	if (is_there)
		return "OK";
	if (is_active)
		return "ERR message=\"No session available\"";
	return sessions_begin(sessions, key, why) == ERR_OK ? "ERR message=\"Welcome\"" : NULL;
}

struct options {
	const char *path;
	uint64_t timeout_s;
	bool is_idle, is_active;
};

static bool read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "t:T:b:a")) != -1) {
		if (option == 'a')
			options->is_active = true;
		else if (option == 'b')
			options->path = optarg;
		else if (option == '?' || !str_to_u64(str_of(optarg), &options->timeout_s))
			return false;
		else
			options->is_idle = option == 't';
	}
	return optind == argc && options->timeout_s <= INT32_MAX;
}

static void serve(struct sessions *sessions, bool is_active)
{
	struct err_text why = {""}, said = {""};
	struct helper_lines lines;
	char *question;

	helper_lines_init(&lines, STDIN_FILENO, HELPER_CHANNEL_ALWAYS);
	while ((question = helper_lines_next(&lines)) != NULL) {
		const char *answer = decide(sessions, is_active, question, &why);

		if (answer) {
			helper_answer(&lines, "%s", answer);
			continue;
		}
		helper_answer_broken(&lines, why.at);
		if (strcmp(why.at, said.at) != 0)
			fprintf(stderr, "%s: %s: answers BH until it can\n", program, why.at);
		said = why;
	}
	helper_lines_fini(&lines);
}

int main(int argc, char **argv)
{
	struct options options = {.timeout_s = DEFAULT_TIMEOUT_S, .is_idle = true};
	struct sessions *sessions;

	if (!read_options(argc, argv, &options)) {
		fprintf(stderr, "Usage: %s [-t SECONDS | -T SECONDS] [-b PATH] [-a]\n", program);
		return 1;
	}
	sessions = sessions_create(options.path, (int64_t)options.timeout_s, options.is_idle);
	serve(sessions, options.is_active);
	sessions_destroy(sessions);
	return 0;
}

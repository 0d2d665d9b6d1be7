/* SPDX-License-Identifier: BSD-2-Clause */
/* basic_sqlite_auth [-c] [-p] DATABASE [QUERY...]: checks names and passwords against an SQLite
 * database.
 *     [ID SP] USER SP PASS LF (both %XX-escaped) → OK | ERR message="..."
 * The first column of the query's first row is what htpasswd makes of the password (-p: the
 * password itself); ?1 is the user. Words of QUERY are joined by blanks. -c: questions have channel
 * ids. */
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <unistd.h>

#include "helpers/bundled/basic_ncsa_auth/password.h"
#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/sqlite_query.h"
#include "lib/base/heap.h"

static const char program[] = "basic_sqlite_auth";
static const char default_query[] =
	"SELECT password FROM passwd WHERE user = ?1 AND enabled = 1 LIMIT 1";

struct options {
	bool is_plain;
	enum helper_channels channels;
};

static bool is_right(const char *password, const char *stored, bool is_plain)
{
	size_t len = strlen(stored);

	if (len == 0)
		return false; /* an empty one would let everyone in */
	if (is_plain)
		return strlen(password) == len && gnutls_memcmp(password, stored, len) == 0;
	return password_check(password, stored) == PASSWORD_RIGHT;
}

static void answer(struct helper_lines *lines, struct sqlite_query *query, char *question,
                   bool is_plain)
{
	char *user = helper_word(&question), *password = user ? helper_word(&question) : NULL;
	struct str stored = STR_NONE;
	const char *name;

	if (!password) {
		helper_answer(lines, "BH message=\"Invalid Input.\"");
		return;
	}
	switch (sqlite_query_ask(query, &user, 1)) {
	case QUERY_ROW:
		sqlite_query_column(query, 0, &name, &stored);
		helper_answer(lines, stored.at && is_right(password, stored.at, is_plain)
		                             ? "OK"
		                             : "ERR message=\"Wrong password\"");
		break;
	case QUERY_NO_ROW:
		helper_answer(lines, "ERR message=\"No such user\"");
		break;
	case QUERY_FAILED:
		helper_answer_broken(lines, sqlite_query_why(query));
		break;
	}
	gnutls_memset(password, 0, strlen(password));
}

static bool read_options(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "+cp")) != -1) {
		if (option == 'c')
			options->channels = HELPER_CHANNEL_ALWAYS;
		else if (option == 'p')
			options->is_plain = true;
		else
			return false;
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct options options = {.channels = HELPER_CHANNEL_NEVER};
	struct sqlite_query *query;
	struct helper_lines lines;
	char *question, *sql;

	if (!read_options(argc, argv, &options)) {
		fprintf(stderr, "Usage: %s [-c] [-p] DATABASE [QUERY...]\n", program);
		return 1;
	}
	sql = sqlite_query_join(argv + optind + 1);
	query = sqlite_query_create(program, argv[optind], sql[0] ? sql : default_query);
	helper_lines_init(&lines, STDIN_FILENO, options.channels);
	while ((question = helper_lines_next(&lines)) != NULL)
		answer(&lines, query, question, options.is_plain);
	helper_lines_fini(&lines);
	sqlite_query_destroy(query);
	mem_free(sql);
	return 0;
}

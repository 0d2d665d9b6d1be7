/* SPDX-License-Identifier: BSD-2-Clause */
/* ext_sqlite_acl [-c] DATABASE QUERY...: an external ACL that is a query of an SQLite database.
 *     [ID SP] WORD SP WORD ... LF → OK NAME="VALUE" ... | ERR
 * ?1, ?2 ... of the query are the words, decoded. A row is OK, with its columns as annotations; no
 * row is ERR. Words of QUERY are joined by blanks. -c: questions have channel ids. */
#include <stdio.h>
#include <unistd.h>

#include "helpers/bundled/common/helper_line.h"
#include "helpers/bundled/common/sqlite_query.h"
#include "lib/base/heap.h"

static const char program[] = "ext_sqlite_acl";

enum { MAX_WORDS = 64 };

static void answer_row(struct helper_lines *lines, const struct sqlite_query *query)
{
	struct buf pairs;
	struct str value;
	const char *name;

	buf_init(&pairs, HELPER_LINE_BYTES);
	for (int i = 0; sqlite_query_column(query, i, &name, &value); i++)
		if (value.at && !memchr(value.at, '\0', value.len))
			helper_add_pair(&pairs, name, value);
	if (pairs.is_full)
		helper_answer_broken(lines, "Answer too long");
	else
		helper_answer(lines, "OK%.*s", STR_ARG(buf_str(&pairs)));
	buf_fini(&pairs);
}

static void answer(struct helper_lines *lines, struct sqlite_query *query, char *question)
{
	char *words[MAX_WORDS];
	size_t n = 0;

	while (n < MAX_WORDS && (words[n] = helper_word(&question)) != NULL)
		n++;
	switch (sqlite_query_ask(query, words, n)) {
	case QUERY_ROW:
		answer_row(lines, query);
		break;
	case QUERY_NO_ROW:
		helper_answer(lines, "ERR");
		break;
	case QUERY_FAILED:
		helper_answer_broken(lines, sqlite_query_why(query));
		break;
	}
}

int main(int argc, char **argv)
{
	enum helper_channels channels = HELPER_CHANNEL_NEVER;
	struct sqlite_query *query;
	struct helper_lines lines;
	char *question, *sql;
	int option;

	while ((option = getopt(argc, argv, "+c")) == 'c')
		channels = HELPER_CHANNEL_ALWAYS;
	if (option != -1 || argc - optind < 2) {
		fprintf(stderr, "Usage: %s [-c] DATABASE QUERY...\n", program);
		return 1;
	}
	sql = sqlite_query_join(argv + optind + 1);
	query = sqlite_query_create(program, argv[optind], sql);
	helper_lines_init(&lines, STDIN_FILENO, channels);
	while ((question = helper_lines_next(&lines)) != NULL)
		answer(&lines, query, question);
	helper_lines_fini(&lines);
	sqlite_query_destroy(query);
	mem_free(sql);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/common/sqlite_query.h: one query, asked again and again of an SQLite file that is
 * only read. A file that is missing, broken or replaced is opened anew with the next question.
 *
 * Threads: one. */
#ifndef BUNDLED_COMMON_SQLITE_QUERY_H
#define BUNDLED_COMMON_SQLITE_QUERY_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

enum query_result { QUERY_ROW, QUERY_NO_ROW, QUERY_FAILED };

struct sqlite_query; /* opaque */

/* program is for messages; all are borrowed. Nothing is opened yet. */
struct sqlite_query *sqlite_query_create(const char *program, const char *path, const char *sql);
void sqlite_query_destroy(struct sqlite_query *query); /* accepts NULL */

/* Asks with ?1 ... being words (NULL from the nwords-th on). QUERY_FAILED: sqlite_query_why has the
 * sentence, which is on standard error too, once; a query of more than 5 s fails. */
enum query_result sqlite_query_ask(struct sqlite_query *query, char *const *words, size_t nwords);

/* Of the row that was found, until the next question: the n-th column's name and value (STR_NONE:
 * NULL). False: it has no such column. */
bool sqlite_query_column(const struct sqlite_query *query, int n, const char **name,
                         struct str *value);

/* Why the last question failed; the query's, until the next one. */
const char *sqlite_query_why(const struct sqlite_query *query);

/* Words argv[0] ... joined by blanks, for the caller to mem_free: a query that a line of squid.conf
 * has as several. */
char *sqlite_query_join(char *const *words);

#endif

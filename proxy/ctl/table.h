/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/table.h: rows of a query on stdout: columns apart by a TAB, with their names first when
 * a person looks on; or as JSON, an object a line. */
#ifndef PROXY_CTL_TABLE_H
#define PROXY_CTL_TABLE_H
#include <sqlite3.h>
#include <stdbool.h>

struct table {
	bool is_json;
	bool has_names; /* they were written */
};

void table_init(struct table *table, bool is_json);
/* Steps stmt to its end, and finalizes it. An exit status. */
int table_print(struct table *table, sqlite3_stmt *stmt);

#endif

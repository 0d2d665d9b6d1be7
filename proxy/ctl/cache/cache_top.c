/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/store.h"
#include "proxy/ctl/table.h"

enum option { HOSTS, LIMIT, JSON };

const struct ctl_option ctl_cache_top_options[] = {
	[HOSTS] = {"hosts", 0, NULL, "sites instead of objects"},
	[LIMIT] = {"limit", 0, "N", "so many at most; 20"},
	[JSON] = {"json", 0, NULL, "an object a line"},
	{0},
};

static int print(struct ctl *ctl, const char *sql, bool is_json)
{
	int status, printed;
	sqlite3 *db = store_open_all(ctl, &status);
	struct table table;

	if (!db)
		return status;
	table_init(&table, is_json);
	printed = table_print(&table, store_prepare(db, sql));
	sqlite3_close(db);
	return printed == CTL_OK ? status : printed;
}

int ctl_run_cache_top(struct ctl *ctl, const struct ctl_args *args)
{
	const char *limit = ctl_given(args, LIMIT);
	uint64_t n = 20;
	char *sql;
	int status;

	if (limit && !str_to_u64(str_of(limit), &n))
		return ctl_fail("no number: %s", limit);
	sql = ctl_given(args, HOSTS)
	              ? mem_printf("SELECT hits, objects, MB, host FROM host ORDER BY hits DESC"
	                           " LIMIT %" PRIu64,
	                           n)
	              : mem_printf("SELECT hits, size, last_used, url FROM hottest LIMIT %" PRIu64,
	                           n);
	status = print(ctl, sql, ctl_given(args, JSON));
	mem_free(sql);
	return status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "lib/base/heap.h"
#include "lib/base/str.h"
#include "proxy/ctl/cache.h"
#include "proxy/ctl/store.h"
#include "proxy/ctl/table.h"

enum option { HOSTS, LIMIT, JSON };

const struct ctl_option ctl_cache_top_options[] = {
	[HOSTS] = {"hosts", 0, NULL, "sites instead of objects"},
	[LIMIT] = {"limit", 0, "N", "so many at most; 20"},
	[JSON] = {"json", 0, NULL, "an object a line"},
	{0},
};

struct top {
	const char *sql;
	struct table table;
};

static int use(sqlite3 *db, const char *path, void *user)
{
	struct top *top = user;

	(void)path;
	return table_print(&top->table, store_prepare(db, top->sql));
}

int ctl_run_cache_top(struct ctl *ctl, const struct ctl_args *args)
{
	const char *limit = ctl_given(args, LIMIT);
	struct top top;
	uint64_t n = 20;
	char *sql;
	int status;

	if (limit && !str_to_u64(str_of(limit), &n))
		return ctl_fail("no number: %s", limit);
	sql = ctl_given(args, HOSTS)
		      ? mem_printf("SELECT hits, objects, MB, host FROM host ORDER BY hits DESC"
				   " LIMIT %" PRIu64, n)
		      : mem_printf("SELECT hits, size, last_used, url FROM hottest LIMIT %" PRIu64, n);
	top.sql = sql;
	table_init(&top.table, ctl_given(args, JSON));
	status = store_each(ctl, false, use, &top);
	mem_free(sql);
	return status;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/ctl/cache.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/store.h"

static const struct {
	const char *name, *sql;
} figures[] = {
	{"objects", "SELECT count(*) FROM usage"},
	{"body_bytes", "SELECT coalesce(sum(size), 0) FROM object"},
	{"charged_bytes", "SELECT coalesce(sum(size), 0) FROM usage"},
	{"hits", "SELECT coalesce(sum(hits), 0) FROM usage"},
	{"stale", "SELECT count(*) FROM object WHERE expires <= unixepoch()"},
	{"hosts", "SELECT count(*) FROM host"},
	{"pages", "PRAGMA page_count"},
	{"free_pages", "PRAGMA freelist_count"},
	{"page_bytes", "PRAGMA page_size"},
	{"schema", "PRAGMA user_version"},
};

static void print_file_size(const char *path, const char *suffix, const char *name)
{
	char *file = mem_printf("%s%s", path, suffix);
	struct stat st;

	printf("%s = %lld\n", name, stat(file, &st) == 0 ? (long long)st.st_size : 0);
	mem_free(file);
}

static int use(sqlite3 *db, const char *path, void *user)
{
	(void)user;
	printf("file = %s\n", path);
	for (size_t i = 0; i < COUNT(figures); i++) {
		int64_t n = store_number(db, figures[i].sql, -1);

		if (n < 0)
			return store_complain(db);
		printf("%s = %" PRId64 "\n", figures[i].name, n);
	}
	print_file_size(path, "", "file_bytes");
	print_file_size(path, "-wal", "wal_bytes");
	return CTL_OK;
}

int ctl_run_cache_stat(struct ctl *ctl, const struct ctl_args *args)
{
	static const char *const info[] = {"info"};
	int status;

	(void)args;
	status = store_each(ctl, false, use, NULL);
	if (status == CTL_OK && client_is_running(ctl))
		status = client_ask(ctl, info, 1, NULL);
	return status;
}

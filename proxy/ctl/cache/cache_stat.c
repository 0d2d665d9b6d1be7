/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/store.h"

static const struct {
	const char *name, *sql;
	const char *pragma; /* instead: a sum over the files */
} figures[] = {
	{"objects", "SELECT count(*) FROM usage", NULL},
	{"body_bytes", "SELECT coalesce(sum(size), 0) FROM object", NULL},
	{"charged_bytes", "SELECT coalesce(sum(size), 0) FROM usage", NULL},
	{"hits", "SELECT coalesce(sum(hits), 0) FROM usage", NULL},
	{"stale", "SELECT count(*) FROM object WHERE expires <= unixepoch()", NULL},
	{"hosts", "SELECT count(*) FROM host", NULL},
	{"pages", NULL, "page_count"},
	{"free_pages", NULL, "freelist_count"},
	{"page_bytes", "PRAGMA page_size", NULL},
	{"schema", "PRAGMA user_version", NULL},
};

/* -1: what a file answers is no number. */
static int64_t add_up(sqlite3 *db, const char *pragma)
{
	int64_t sum = 0;
	const char *file;

	for (int i = 0; (file = sqlite3_db_name(db, i)) != NULL; i++) {
		char *sql = mem_printf("PRAGMA %s.%s", file, pragma);
		int64_t n = strcmp(file, "temp") == 0 ? 0 : store_number(db, sql, -1);

		mem_free(sql);
		if (n < 0)
			return -1;
		sum += n;
	}
	return sum;
}

static int print_figures(sqlite3 *db)
{
	for (size_t i = 0; i < COUNT(figures); i++) {
		int64_t n = figures[i].sql ? store_number(db, figures[i].sql, -1)
					   : add_up(db, figures[i].pragma);

		if (n < 0)
			return store_complain(db);
		printf("%s = %" PRId64 "\n", figures[i].name, n);
	}
	return CTL_OK;
}

static const char *path_of(sqlite3 *db, const char *file)
{
	return strcmp(file, "temp") == 0 ? NULL : sqlite3_db_filename(db, file);
}

static void print_files(sqlite3 *db)
{
	const char *file;

	for (int i = 0; (file = sqlite3_db_name(db, i)) != NULL; i++)
		if (path_of(db, file))
			printf("file = %s\n", path_of(db, file));
}

/* All files' bytes together. */
static void print_file_sizes(sqlite3 *db, const char *suffix, const char *name)
{
	long long sum = 0;
	const char *file;

	for (int i = 0; (file = sqlite3_db_name(db, i)) != NULL; i++) {
		char *path =
			path_of(db, file) ? mem_printf("%s%s", path_of(db, file), suffix) : NULL;
		struct stat st;

		if (path && stat(path, &st) == 0)
			sum += st.st_size;
		mem_free(path);
	}
	printf("%s = %lld\n", name, sum);
}

static int print_all(struct ctl *ctl)
{
	int status, printed;
	sqlite3 *db = store_open_all(ctl, &status);

	if (!db)
		return status;
	print_files(db);
	printed = print_figures(db);
	print_file_sizes(db, "", "file_bytes");
	print_file_sizes(db, "-wal", "wal_bytes");
	sqlite3_close(db);
	return printed == CTL_OK ? status : printed;
}

int ctl_run_cache_stat(struct ctl *ctl, const struct ctl_args *args)
{
	static const char *const info[] = {"info"};
	int status;

	(void)args;
	status = print_all(ctl);
	if (status == CTL_OK && client_is_running(ctl))
		status = client_ask(ctl, info, 1, NULL);
	return status;
}

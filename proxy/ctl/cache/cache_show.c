/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/str.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/store.h"

enum option { ID, BODY };

const struct ctl_option ctl_cache_show_options[] = {
	[ID] = {"id", 0, "N", "only this variant"},
	[BODY] = {"body", 0, NULL, "nothing but the body, of one variant (the newest)"},
	{0},
};

struct showing {
	const char *url;
	uint64_t id; /* 0: all */
	bool is_body;
	unsigned n;
};

static void print_field(sqlite3_stmt *stmt, int at)
{
	const char *text = (const char *)sqlite3_column_text(stmt, at);

	if (!text)
		return;
	printf("%-9s ", sqlite3_column_name(stmt, at));
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' ? ' ' : *text);
	putchar('\n');
}

/* Line by line, without what a terminal takes for a command. */
static void print_head(const char *text)
{
	putchar('\n');
	for (; text && *text; text++)
		if (*text == '\n' || *text == '\t' || (unsigned char)*text >= ' ')
			putchar(*text);
	putchar('\n');
}

static int print_variants(sqlite3_stmt *stmt, struct showing *showing)
{
	int last = sqlite3_column_count(stmt) - 1, rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		showing->n++;
		for (int i = 0; i < last; i++)
			print_field(stmt, i);
		print_head((const char *)sqlite3_column_text(stmt, last));
	}
	return rc == SQLITE_DONE ? CTL_OK : store_complain(sqlite3_db_handle(stmt));
}

static int write_pieces(sqlite3 *db, sqlite3_int64 id)
{
	sqlite3_stmt *stmt = store_prepare(db, "SELECT data FROM chunk WHERE id BETWEEN ?1 << 20"
					       " AND ?1 << 20 | 1048575 ORDER BY id");
	int rc = SQLITE_ERROR;

	sqlite3_bind_int64(stmt, 1, id);
	while (stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

		if (fwrite(sqlite3_column_blob(stmt, 0), 1, len, stdout) != len)
			break;
	}
	sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW)
		return ctl_fail("the body could not be written");
	return rc == SQLITE_DONE ? CTL_OK : store_complain(db);
}

static int print_body(sqlite3 *db, sqlite3_stmt *stmt, struct showing *showing)
{
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return CTL_OK; /* perhaps in another file */
	showing->n++;
	return write_pieces(db, sqlite3_column_int64(stmt, 0));
}

static int use(sqlite3 *db, const char *path, void *user)
{
	struct showing *showing = user;
	sqlite3_stmt *stmt = store_prepare(
		db, "SELECT c.id, c.url, c.status, c.state, c.size, c.hits, c.last_used, c.stored,"
		    " c.expires, o.etag, c.type, replace(c.vary, char(10), ' ') AS vary, c.tags,"
		    " o.flags, o.decision, o.header"
		    " FROM cache c JOIN object o USING (id)"
		    " WHERE c.url = ?1 AND (?2 = 0 OR c.id = ?2) ORDER BY c.id DESC");
	int status;

	(void)path;
	if (!stmt)
		return CTL_FAILED;
	if (!showing->is_body || showing->n == 0) {
		sqlite3_bind_text(stmt, 1, showing->url, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)showing->id);
		status = showing->is_body ? print_body(db, stmt, showing)
					  : print_variants(stmt, showing);
	} else {
		status = CTL_OK;
	}
	sqlite3_finalize(stmt);
	return status;
}

int ctl_run_cache_show(struct ctl *ctl, const struct ctl_args *args)
{
	struct showing showing = {.url = args->words[0], .is_body = ctl_given(args, BODY)};
	const char *id = ctl_given(args, ID);
	int status;

	if (id && (!str_to_u64(str_of(id), &showing.id) || showing.id == 0))
		return ctl_fail("no number: %s", id);
	status = store_each(ctl, false, use, &showing);
	if (status == CTL_OK && showing.n == 0)
		return ctl_fail("not on disk: %s", showing.url);
	return status;
}

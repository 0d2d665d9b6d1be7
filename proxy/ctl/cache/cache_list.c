/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "proxy/ctl/cache/cache.h"
#include "proxy/ctl/client.h"
#include "proxy/ctl/store.h"
#include "proxy/ctl/table.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"

enum option { HOST, PREFIX, TAG, TYPE, STATUS, STATE, LARGER, WHERE, COLUMNS, SORT, LIMIT, JSON,
	      MEMORY };

const struct ctl_option ctl_cache_list_options[] = {
	[HOST] = {"host", 0, "H", "of this site"},
	[PREFIX] = {"prefix", 0, "P", "whose URL begins with P"},
	[TAG] = {"tag", 0, "T", "that the origin tagged T"},
	[TYPE] = {"type", 0, "T", "of this media type: text/html"},
	[STATUS] = {"status", 0, "N", "with this status"},
	[STATE] = {"state", 0, "S", "fresh, stale or heuristic"},
	[LARGER] = {"larger", 0, "BYTES", "with a body of more bytes"},
	[WHERE] = {"where", 0, "SQL", "what a condition on the view cache says"},
	[COLUMNS] = {"columns", 0, "A,B,...", "which columns of the view, instead of the usual"},
	[SORT] = {"sort", 0, "COLUMN", "by this one; -COLUMN: the largest first"},
	[LIMIT] = {"limit", 0, "N", "so many at most"},
	[JSON] = {"json", 0, NULL, "an object a line"},
	[MEMORY] = {"memory", 0, NULL, "what is in memory, as the running instance has it"},
	{0},
};

const char ctl_cache_list_help[] =
	"Reads cache.db, whether an instance runs or not. --memory (and a configuration\n"
	"without a cache_dir) asks the running one instead: status, bytes, whether it is on\n"
	"disk as well, URL; it takes one of --host, --prefix and --tag.\n"
	"Columns: id status state size hits last_used stored expires type host url vary tags\n";

/* Each has a parameter of its own. */
static const struct {
	enum option option;
	int parameter;
	const char *condition;
} filters[] = {
	{HOST, 1, "host = ?1"},
	{PREFIX, 2, "substr(url, 1, length(?2)) = ?2"},
	{TAG, 3, "instr(' ' || tags, ' ' || ?3 || ' ') > 0"},
	{TYPE, 4, "type = ?4"},
	{STATUS, 5, "status = CAST(?5 AS INTEGER)"},
	{STATE, 6, "state = ?6"},
	{LARGER, 7, "size > CAST(?7 AS INTEGER)"},
};

static bool is_column(struct str name)
{
	static const char *const names[] = {"id",      "status", "state", "size", "hits", "last_used",
					    "stored",  "expires", "type", "host", "url",  "vary",
					    "tags"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	ctl_fail("no such column: %.*s", STR_ARG(name));
	return false;
}

static bool add_columns(struct buf *sql, const char *wanted)
{
	struct str rest = wanted ? str_of(wanted) : STR("id,status,state,size,hits,expires,url");
	struct str name;
	bool is_first = true;

	while (str_split(&rest, ',', &name)) {
		if (!is_column(name))
			return false;
		buf_printf(sql, "%s%.*s", is_first ? "SELECT " : ", ", STR_ARG(name));
		is_first = false;
	}
	return !is_first;
}

static bool add_order(struct buf *sql, const char *wanted)
{
	struct str name = wanted ? str_of(wanted) : STR("url");
	bool is_down = name.len > 0 && name.at[0] == '-';

	name = str_from(name, is_down);
	if (!is_column(name))
		return false;
	buf_printf(sql, " ORDER BY %.*s%s", STR_ARG(name), is_down ? " DESC" : "");
	return true;
}

static bool write_sql(struct buf *sql, const struct ctl_args *args)
{
	const char *where = ctl_given(args, WHERE), *limit = ctl_given(args, LIMIT);
	uint64_t n = 0;

	if (limit && !str_to_u64(str_of(limit), &n)) {
		ctl_fail("no number: %s", limit);
		return false;
	}
	if (!add_columns(sql, ctl_given(args, COLUMNS)))
		return false;
	buf_add_str(sql, STR(" FROM cache WHERE 1"));
	for (size_t i = 0; i < COUNT(filters); i++)
		if (ctl_given(args, filters[i].option)) {
			buf_add_str(sql, STR(" AND "));
			buf_add_str(sql, str_of(filters[i].condition));
		}
	if (where)
		buf_printf(sql, " AND (%s\n)", where);
	if (!add_order(sql, ctl_given(args, SORT)))
		return false;
	if (limit)
		buf_printf(sql, " LIMIT %s", limit);
	buf_add_char(sql, '\0');
	return !sql->is_full;
}

static int list_disk(struct ctl *ctl, const struct ctl_args *args, const char *sql)
{
	int status, printed;
	sqlite3 *db = store_open_all(ctl, &status);
	sqlite3_stmt *stmt = db ? store_prepare(db, sql) : NULL;
	struct table table;

	if (!db)
		return status;
	for (size_t i = 0; stmt && i < COUNT(filters); i++) {
		const char *value = ctl_given(args, filters[i].option);

		if (value)
			sqlite3_bind_text(stmt, filters[i].parameter, value, -1, SQLITE_STATIC);
	}
	table_init(&table, ctl_given(args, JSON));
	printed = table_print(&table, stmt);
	sqlite3_close(db);
	return printed == CTL_OK ? status : printed;
}

static int list_memory(struct ctl *ctl, const struct ctl_args *args)
{
	static const enum option aims[] = {HOST, PREFIX, TAG};
	const char *words[3] = {"objects"};
	unsigned n = 1;

	for (size_t i = 0; i < COUNT(aims); i++)
		if (ctl_given(args, aims[i])) {
			words[1] = ctl_cache_list_options[aims[i]].name;
			words[2] = ctl_given(args, aims[i]);
			n = 3;
		}
	return client_ask(ctl, words, n, NULL);
}

int ctl_run_cache_list(struct ctl *ctl, const struct ctl_args *args)
{
	enum { MAX_SQL_BYTES = 65536 };
	const struct config *config = ctl_config(ctl);
	struct buf sql;
	int status = CTL_FAILED;

	if (!config)
		return CTL_FAILED;
	if (ctl_given(args, MEMORY) || !config->cache_dirs->first)
		return list_memory(ctl, args);
	buf_init(&sql, MAX_SQL_BYTES);
	if (write_sql(&sql, args))
		status = list_disk(ctl, args, sql.at);
	buf_fini(&sql);
	return status;
}

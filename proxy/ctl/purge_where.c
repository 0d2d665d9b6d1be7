/* SPDX-License-Identifier: BSD-2-Clause */
/* bobtailctl purge --where: an SQL condition on the view cache. The triggers of the file tell the
 * running instance, which forgets its copies within a second. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/ctl/purge.h"
#include "proxy/ctl/store.h"

struct where {
	const char *condition;
	bool is_soft, is_dry;
	int64_t n;
};

/* Only one condition: nothing may end the statement and begin another. */
static bool is_condition(sqlite3 *db, const char *condition)
{
	char *sql = mem_printf("SELECT 1 FROM cache WHERE (%s\n)", condition);
	const char *tail = NULL;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &tail);
	bool is_good = rc == SQLITE_OK && tail && *tail == '\0' && sqlite3_stmt_readonly(stmt);

	if (rc != SQLITE_OK)
		store_complain(db);
	else if (!is_good)
		ctl_fail("that is no condition: %s", condition);
	sqlite3_finalize(stmt);
	mem_free(sql);
	return is_good;
}

static int write_log(sqlite3 *db, const struct where *where, int64_t ms)
{
	const struct passwd *user = getpwuid(getuid());
	sqlite3_stmt *stmt;
	int status;

	/* The table is closed to people. */
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	stmt = store_prepare(db, "INSERT INTO purge_log(at, who, how, what, objects, ms) VALUES"
				 " (unixepoch(), 'bobtailctl ' || ?1, ?2, 'where ' || ?3, ?4, ?5)");
	sqlite3_bind_text(stmt, 1, user ? user->pw_name : "?", -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, where->is_soft ? "stale" : "deleted", -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, where->condition, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, where->n);
	sqlite3_bind_int64(stmt, 5, ms);
	status = sqlite3_step(stmt) == SQLITE_DONE ? CTL_OK : store_complain(db);
	sqlite3_finalize(stmt);
	return status == CTL_OK
	               ? store_run(db, "UPDATE purge SET who = 'bobtailctl' WHERE who IS NULL")
	               : status;
}

/* In the open transaction. */
static int change(sqlite3 *db, struct where *where, int64_t started_us)
{
	char *sql = where->is_soft
			    ? mem_printf("UPDATE object SET expires = unixepoch() WHERE id IN"
					 " (SELECT id FROM cache WHERE (%s\n))", where->condition)
			    : mem_printf("DELETE FROM object WHERE id IN"
					 " (SELECT id FROM cache WHERE (%s\n))", where->condition);
	int status = store_run(db, sql);

	mem_free(sql);
	where->n = sqlite3_changes64(db);
	return status == CTL_OK ? write_log(db, where, (clock_mono_us() - started_us) / 1000)
				: status;
}

static int use(sqlite3 *db, const char *path, void *user)
{
	struct where *where = user;
	int64_t started_us = clock_mono_us();
	char *sql;
	int status;

	(void)path;
	if (!is_condition(db, where->condition))
		return CTL_FAILED;
	if (where->is_dry) {
		sql = mem_printf("SELECT count(*) FROM cache WHERE (%s\n)", where->condition);
		where->n = store_number(db, sql, -1);
		mem_free(sql);
		status = where->n >= 0 ? CTL_OK : store_complain(db);
	} else {
		status = store_run(db, "BEGIN IMMEDIATE");
		if (status == CTL_OK)
			status = change(db, where, started_us);
		if (status == CTL_OK)
			status = store_run(db, "COMMIT");
	}
	if (status == CTL_OK)
		printf("disk = %" PRId64 "\ntook_ms = %" PRId64 "\n", where->n,
		       (clock_mono_us() - started_us) / 1000);
	return status;
}

int ctl_purge_where(struct ctl *ctl, const char *condition, bool is_soft, bool is_dry)
{
	struct where where = {.condition = condition, .is_soft = is_soft, .is_dry = is_dry};

	return store_each(ctl, !is_dry, use, &where);
}

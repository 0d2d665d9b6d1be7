/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/minutes_file.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "proxy/manager/minutes.h"

enum { MINUTES_A_DAY = 1440, BUSY_MS = 2000 };

/* "BobM": no other program's file is written to. */
#define APPLICATION_ID "1114595917"

static const char schema[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=100;"
	"PRAGMA application_id=" APPLICATION_ID ";"
	"CREATE TABLE IF NOT EXISTS minutes ("
	" minute INTEGER NOT NULL, site TEXT NOT NULL, requests INTEGER NOT NULL,"
	" hits INTEGER NOT NULL, errors INTEGER NOT NULL, aborts INTEGER NOT NULL,"
	" bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, hit_bytes_out INTEGER NOT NULL,"
	" service_us INTEGER NOT NULL, p50_us INTEGER NOT NULL, p99_us INTEGER NOT NULL,"
	" PRIMARY KEY (minute, site)) WITHOUT ROWID;"
	"CREATE VIEW IF NOT EXISTS by_minute AS SELECT"
	" strftime('%Y-%m-%d %H:%M', minute * 60, 'unixepoch', 'localtime') AS time, site, requests,"
	" round(100.0 * hits / requests, 1) AS hit_percent, errors, aborts,"
	" round(bytes_out / 1048576.0, 2) AS mib_out,"
	" round(service_us / 1000.0 / requests, 2) AS mean_ms,"
	" round(p50_us / 1000.0, 2) AS p50_ms, round(p99_us / 1000.0, 2) AS p99_ms"
	" FROM minutes ORDER BY minute, site;"
	"CREATE VIEW IF NOT EXISTS by_hour AS SELECT"
	" strftime('%Y-%m-%d %H:00', minute * 60, 'unixepoch', 'localtime') AS time, site,"
	" sum(requests) AS requests, round(100.0 * sum(hits) / sum(requests), 1) AS hit_percent,"
	" sum(errors) AS errors, round(sum(bytes_out) / 1048576.0, 2) AS mib_out,"
	" round(sum(service_us) / 1000.0 / sum(requests), 2) AS mean_ms,"
	" round(max(p99_us) / 1000.0, 2) AS worst_p99_ms FROM minutes GROUP BY time, site;"
	"CREATE VIEW IF NOT EXISTS by_day AS SELECT"
	" strftime('%Y-%m-%d', minute * 60, 'unixepoch', 'localtime') AS time, site,"
	" sum(requests) AS requests, round(100.0 * sum(hits) / sum(requests), 1) AS hit_percent,"
	" sum(errors) AS errors, round(sum(bytes_out) / 1048576.0, 2) AS mib_out,"
	" round(sum(service_us) / 1000.0 / sum(requests), 2) AS mean_ms,"
	" round(max(p99_us) / 1000.0, 2) AS worst_p99_ms FROM minutes GROUP BY time, site;";

/* A minute may be written twice: before and after a restart. */
static const char insert[] =
	"INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
	" ON CONFLICT DO UPDATE SET requests = requests + ?3, hits = hits + ?4, errors = errors + ?5,"
	" aborts = aborts + ?6, bytes_in = bytes_in + ?7, bytes_out = bytes_out + ?8,"
	" hit_bytes_out = hit_bytes_out + ?9, service_us = service_us + ?10,"
	" p50_us = max(p50_us, ?11), p99_us = max(p99_us, ?12)";

/* Is it new, or ours? */
static bool is_ours(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	bool is = sqlite3_prepare_v2(db,
				     "SELECT (SELECT count(*) FROM sqlite_master) = 0 OR application_id ="
				     " " APPLICATION_ID " FROM pragma_application_id",
				     -1, &statement, NULL) == SQLITE_OK &&
		  sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0) == 1;

	sqlite3_finalize(statement);
	return is;
}

static bool fail(struct minutes_file *file, const char *why)
{
	log_say(1, "WARNING: stats_file %s: %s; the minute is written with the next one",
	        file->path, why);
	health_bad(&file->health, "stats_file", "%s: %s", file->path, why);
	minutes_file_close(file);
	return false;
}

/* SQLite would wait for who writes to a pipe. */
static bool is_something_else(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool open_file(struct minutes_file *file)
{
	if (file->db)
		return true;
	if (is_something_else(file->path))
		return fail(file, "it is no file");
	if (sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
			    NULL) != SQLITE_OK)
		return fail(file, file->db ? sqlite3_errmsg(file->db) : "no memory");
	sqlite3_busy_timeout(file->db, BUSY_MS);
	if (!is_ours(file->db))
		return fail(file, "it is another program's database, or none");
	if (sqlite3_exec(file->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return fail(file, sqlite3_errmsg(file->db));
	return true;
}

void minutes_file_close(struct minutes_file *file)
{
	sqlite3_close(file->db);
	file->db = NULL;
}

/* ---- a minute */

static bool write_row(sqlite3_stmt *statement, int64_t minute, const struct minutes_row *row)
{
	const struct site_counts *counts = &row->counts;
	const uint64_t values[] = {
		counts->requests,      counts->hits,
		counts->errors,        counts->aborts,
		counts->bytes_in,      counts->bytes_out,
		counts->hit_bytes_out, counts->service_us,
		(uint64_t)histogram_quantile(&counts->times, 0.5),
		(uint64_t)histogram_quantile(&counts->times, 0.99),
	};

	sqlite3_reset(statement);
	sqlite3_bind_int64(statement, 1, minute);
	sqlite3_bind_text(statement, 2, row->site, -1, SQLITE_STATIC);
	for (int i = 0; i < (int)COUNT(values); i++)
		sqlite3_bind_int64(statement, 3 + i, (sqlite3_int64)values[i]);
	return sqlite3_step(statement) == SQLITE_DONE;
}

static bool write_rows(sqlite3 *db, int64_t minute, const struct minutes_row *rows, unsigned nrows)
{
	sqlite3_stmt *statement = NULL;
	bool is_good = sqlite3_prepare_v2(db, insert, -1, &statement, NULL) == SQLITE_OK;

	for (unsigned i = 0; is_good && i < nrows; i++)
		is_good = write_row(statement, minute, &rows[i]);
	sqlite3_finalize(statement);
	return is_good;
}

static bool drop_old(sqlite3 *db, int64_t minute)
{
	sqlite3_stmt *statement = NULL;
	bool is_good = sqlite3_prepare_v2(db, "DELETE FROM minutes WHERE minute < ?", -1,
					  &statement, NULL) == SQLITE_OK;

	if (is_good) {
		sqlite3_bind_int64(statement, 1, minute - MINUTES_DAYS * MINUTES_A_DAY);
		is_good = sqlite3_step(statement) == SQLITE_DONE;
	}
	sqlite3_finalize(statement);
	return is_good;
}

bool minutes_file_write(struct minutes_file *file, int64_t minute, const struct minutes_row *rows,
			unsigned nrows)
{
	if (!open_file(file))
		return false;
	if (sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    !write_rows(file->db, minute, rows, nrows) || !drop_old(file->db, minute) ||
	    sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return fail(file, sqlite3_errmsg(file->db));
	health_good(&file->health);
	return true;
}

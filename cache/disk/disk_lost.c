/* SPDX-License-Identifier: BSD-2-Clause */
/* Each object has a row in usage, one in object, and pieces, under one id. The triggers see to it
 * that SQL typed elsewhere leaves it so. Where they were taken away, and ids or rows changed, what
 * is left alone would never be found nor leave: it goes. */
#include "cache/disk/disk_writer_internal.h"
#include "cache/key.h"
#include "lib/base/log.h"

enum { ROWS_AT_ONCE = 500 };

static const enum row_statement steps[] = {ROW_LOST_USAGE, ROW_LOST_OBJECTS, ROW_LOST_PIECES};

static int64_t before_all(void)
{
	return -(INT64_C(1) << SCHEMA_ID_BITS); /* somebody may have made them negative */
}

void lost_look(struct disk_writer *writer)
{
	if (writer->looks_for_lost)
		return;
	writer->looks_for_lost = true;
	writer->lost_step = 0;
	writer->lost_at = before_all();
	writer->nlost = 0;
}

void lost_doubt(struct disk_writer *writer)
{
	int64_t version = 0;

	if (rows_number(&writer->rows, ROW_SCHEMA_VERSION, &version) != SQLITE_OK ||
	    version == writer->schema_version)
		return;
	writer->looks_for_lost = false;
	lost_look(writer);
}

/* By which it may stand in the index. */
static uint64_t key_of(struct disk_writer *writer, sqlite3_stmt *stmt)
{
	struct str url;

	if (sqlite3_column_type(stmt, 2) != SQLITE_TEXT)
		return (uint64_t)sqlite3_column_int64(stmt, 2);
	url.at = (const char *)sqlite3_column_text(stmt, 2);
	url.len = (size_t)sqlite3_column_bytes(stmt, 2);
	return cache_key_fingerprint(url, writer->disk->seed);
}

/* In the open transaction. *n: rows seen. */
static int run_slice(struct disk_writer *writer, unsigned *n)
{
	sqlite3_stmt *stmt = rows_bind(&writer->rows, steps[writer->lost_step],
				       (uint64_t)writer->lost_at, ROWS_AT_ONCE);
	int rc;

	*n = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);

		++*n;
		writer->lost_at = id;
		if (!sqlite3_column_int(stmt, 1))
			continue;
		writer->nlost++;
		rc = writer_remove(writer, key_of(writer, stmt), (uint64_t)id);
		if (rc != SQLITE_OK)
			break;
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void next_step(struct disk_writer *writer)
{
	writer->lost_at = before_all();
	if (++writer->lost_step < COUNT(steps))
		return;
	writer->looks_for_lost = false;
	if (writer->nlost > 0)
		log_say(1, "Disk cache %s: %llu rows contradicted others (SQL typed without the"
			   " triggers?): they are gone",
			writer->disk->path, (unsigned long long)writer->nlost);
}

void lost_tick(struct disk_writer *writer)
{
	int64_t at = writer->lost_at;
	unsigned n = 0;
	int rc;

	if (!writer->looks_for_lost || disk_is_spent(writer->disk) || !writer_may_write(writer))
		return;
	rc = rows_begin(&writer->rows);
	if (rc == SQLITE_OK)
		rc = run_slice(writer, &n);
	if (rc == SQLITE_OK)
		rc = rows_commit(&writer->rows);
	writer_settle_removals(writer, rc == SQLITE_OK);
	if (rc != SQLITE_OK) {
		writer->lost_at = at;
		writer_fault(writer, rc);
		return;
	}
	if (n == 0)
		next_step(writer);
	writer_is_well(writer);
	upkeep_after_commit(writer);
}

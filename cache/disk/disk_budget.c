/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_budget.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { DAY_S = 86400 };

static uint64_t limit_of(const struct disk_writer *writer)
{
	return writer->disk->config.write_budget_bytes;
}

static uint64_t today(void)
{
	return (uint64_t)clock_wall_s() / DAY_S;
}

static enum disk_budget state_of(const struct disk_writer *writer)
{
	uint64_t limit = limit_of(writer);

	if (writer->spent_bytes >= limit)
		return DISK_BUDGET_SPENT;
	return writer->spent_bytes >= limit - limit / 4 ? DISK_BUDGET_SHORT : DISK_BUDGET_AMPLE;
}

static void set_state(struct disk_writer *writer)
{
	static const char *const sentences[] = {
		[DISK_BUDGET_AMPLE] = "a new day for its write budget: stores as usual",
		[DISK_BUDGET_SHORT] = "three quarters of today's write budget are used: stores only what is"
				      " asked for again and again",
		[DISK_BUDGET_SPENT] = "today's write budget is used up: stores nothing until midnight UTC,"
				      " hits go on",
	};
	struct disk *disk = writer->disk;
	enum disk_budget state = state_of(writer);

	if (atomic_load_explicit(&disk->budget, memory_order_relaxed) == (int)state)
		return;
	atomic_store_explicit(&disk->budget, (int)state, memory_order_relaxed);
	log_say(1, "Disk cache %s: %s", disk->path, sentences[state]);
}

void budget_open(struct disk_writer *writer)
{
	int64_t day = 0, spent = 0;

	if (limit_of(writer) == 0)
		return;
	schema_number(writer->rows.db, "SELECT value FROM meta WHERE name = 'budget_day'", &day);
	schema_number(writer->rows.db, "SELECT value FROM meta WHERE name = 'budget_spent'",
	              &spent);
	/* A file made anew in mid-day: what was spent on the old one stays spent. */
	if (day == (int64_t)today() && spent > 0 && (uint64_t)spent > writer->spent_bytes)
		writer->spent_bytes = (uint64_t)spent;
	writer->budget_day = today();
	set_state(writer);
}

int budget_save(struct disk_writer *writer)
{
	if (limit_of(writer) == 0)
		return SQLITE_OK;
	return rows_run(&writer->rows, ROW_SET_BUDGET, writer->budget_day, writer->spent_bytes);
}

void budget_count(struct disk_writer *writer)
{
	enum { TIMES_WRITTEN = 2 };
	int npages = 0, most = 0;

	sqlite3_db_status(writer->rows.db, SQLITE_DBSTATUS_CACHE_WRITE, &npages, &most, 1);
	writer->spent_bytes += (uint64_t)npages * SCHEMA_PAGE_BYTES * TIMES_WRITTEN;
	disk_count(writer->disk, COUNT_WRITTEN_BYTES,
		   (uint64_t)npages * SCHEMA_PAGE_BYTES * TIMES_WRITTEN);
	if (limit_of(writer) != 0)
		set_state(writer);
}

void budget_tick(struct disk_writer *writer)
{
	if (limit_of(writer) == 0 || writer->budget_day == today())
		return;
	writer->budget_day = today();
	writer->spent_bytes = 0;
	set_state(writer);
}

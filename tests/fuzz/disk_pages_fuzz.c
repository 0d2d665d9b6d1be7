/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of a hostile cache.db, as cache/disk/disk_pages.h reads them: whatever stands there, a row
 * is one that lies in its page. The bytes are a page (1: root, then leaves), where in it (2), and
 * what to put there. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/disk_pages.h"
#include "lib/base/check.h"

enum { NROWS = 600, NPAGES = 24, ROW_BYTES = 300, LARGE_ROW = 7, LARGE_BYTES = 40000 };

static sqlite3 *db;
static struct disk_pages *pages;
static uint32_t root;
static int fd = -1;

static void fill(void)
{
	char sql[512];
	int64_t number = 0;

	snprintf(sql, sizeof(sql),
		 "PRAGMA page_size=%d; PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY,"
		 " data); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		 " INSERT INTO t SELECT i, zeroblob(iif(i = %d, %d, %d)) FROM n;"
		 "PRAGMA wal_checkpoint(TRUNCATE)",
		 SCHEMA_PAGE_BYTES, NROWS, LARGE_ROW, LARGE_BYTES, ROW_BYTES);
	check(schema_run(db, sql) == SQLITE_OK);
	check(schema_number(db, "SELECT rootpage FROM sqlite_schema", &number) == SQLITE_OK);
	root = (uint32_t)number;
}

static void open_once(void)
{
	char path[] = "/tmp/disk-pages-fuzz-XXXXXX";

	if (db)
		return;
	schema_setup_once();
	disk_pages_setup_once();
	fd = mkstemp(path); /* open as long as db is, so that no lock of SQLite's is lost */
	check(fd >= 0 && sqlite3_open(path, &db) == SQLITE_OK);
	fill();
	unlink(path);
}

static void read_row(uint64_t id)
{
	static char rest[LARGE_BYTES * 2];
	struct disk_snapshot snapshot;
	struct disk_cell cell;

	if (!disk_pages_begin(pages, &snapshot) ||
	    disk_pages_find(pages, &snapshot, root, id, &cell) != DISK_FIND_ROW)
		return;
	check(cell.at >= cell.page && cell.local <= cell.len &&
	      cell.at + cell.local <= cell.page + sizeof(cell.page));
	if (cell.overflow && cell.len - cell.local <= sizeof(rest))
		disk_pages_read_rest(pages, &snapshot, &cell, rest, cell.len - cell.local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char before[SCHEMA_PAGE_BYTES];
	off_t page;
	size_t at;

	if (size < 4)
		return 0;
	open_once();
	page = (off_t)(root - 1 + data[0] % NPAGES) * SCHEMA_PAGE_BYTES;
	at = (data[1] | (size_t)data[2] << 8) % SCHEMA_PAGE_BYTES;
	data += 3;
	size -= 3;
	if (size > SCHEMA_PAGE_BYTES - at)
		size = SCHEMA_PAGE_BYTES - at;
	pages = disk_pages_create(db); /* it keeps what it saw of the page */
	check(pages && pread(fd, before, sizeof(before), page) == (ssize_t)sizeof(before));
	check(pwrite(fd, data, size, page + (off_t)at) == (ssize_t)size);
	for (uint64_t id = 1; id <= NROWS + 1; id += 50)
		read_row(id);
	read_row(LARGE_ROW);
	check(pwrite(fd, before, sizeof(before), page) == (ssize_t)sizeof(before));
	disk_pages_destroy(pages);
	return 0;
}

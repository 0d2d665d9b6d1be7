/* SPDX-License-Identifier: BSD-2-Clause */
/* A row of a hostile cache.db: what passes for an object must be one. The bytes are the status (2),
 * the size (8), switches (1), and then header, url, vary and the first piece, each up to a NUL. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "cache/disk/disk_stream.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"

enum { NUMBERS = 11, TRUE_CRCS = 1, TRUE_SIZE = 2, ID = 1 };

static struct disk_source source;
static sqlite3_stmt *object_stmt, *chunk_stmt;

static void open_once(void)
{
	if (source.db)
		return;
	schema_setup_once();
	check(sqlite3_open(":memory:", &source.db) == SQLITE_OK);
	sqlite3_db_config(source.db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	check(schema_create(source.db, 1) == SQLITE_OK);
	check(disk_source_prepare(&source) == SQLITE_OK);
	check(sqlite3_prepare_v2(source.db,
				 "REPLACE INTO object(id, url, vary, status, size, stored, date,"
				 " flags, on_error, on_stale, header, crc)"
				 " VALUES (1, ?1, ?2, ?3, ?4, 0, 0, 0, 0, 0, ?5, ?6)",
				 -1, &object_stmt, NULL) == SQLITE_OK);
	check(sqlite3_prepare_v2(source.db,
				 "REPLACE INTO chunk(id, crc, data) VALUES (1 << 20, ?1, ?2)", -1,
				 &chunk_stmt, NULL) == SQLITE_OK);
}

static void run(sqlite3_stmt *stmt)
{
	check(sqlite3_step(stmt) == SQLITE_DONE);
	sqlite3_reset(stmt);
}

static void bind_bytes(sqlite3_stmt *stmt, int at, struct str s)
{
	sqlite3_bind_text(stmt, at, s.at ? s.at : "", (int)s.len, SQLITE_STATIC);
}

static void write_row(const uint8_t *numbers, struct str header, struct str url, struct str vary,
		      struct str piece)
{
	bool has_crcs = numbers[10] & TRUE_CRCS;
	int64_t size;

	memcpy(&size, numbers + 2, sizeof(size));
	if (numbers[10] & TRUE_SIZE)
		size = (int64_t)piece.len;
	bind_bytes(object_stmt, 1, url);
	bind_bytes(object_stmt, 2, vary);
	sqlite3_bind_int(object_stmt, 3, numbers[0] | numbers[1] << 8);
	sqlite3_bind_int64(object_stmt, 4, size);
	bind_bytes(object_stmt, 5, header);
	sqlite3_bind_int64(object_stmt, 6, has_crcs ? hash_crc32c(header.at, header.len) : 0);
	run(object_stmt);
	sqlite3_bind_int64(chunk_stmt, 1, has_crcs ? hash_crc32c(piece.at, piece.len) : 0);
	sqlite3_bind_blob(chunk_stmt, 2, piece.len > 0 ? piece.at : "", (int)piece.len,
			  SQLITE_STATIC);
	run(chunk_stmt);
}

/* Fields go out as they are: nothing in them may end the head or begin another line. */
static void check_row(struct disk_row *row)
{
	struct str head = row->head.head;
	int64_t size = row->head.body_bytes;

	check(row->head.status >= 100 && row->head.status <= 999 && size >= 0);
	check(str_starts_with(head, STR("HTTP/1.1 ")));
	check(!memchr(head.at, 0, head.len) && !memmem(head.at, head.len, "\r\n\r\n", 4));
	for (size_t i = 0; i < head.len; i++)
		check((head.at[i] == '\r') == (i + 1 < head.len && head.at[i + 1] == '\n'));
	if (disk_row_read_piece(&source, row) && size > 0)
		check(row->piece.len == (size < DISK_PIECE_BYTES ? (size_t)size : DISK_PIECE_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str rest, header = {0}, url = {0}, vary = {0};
	struct disk_row row;
	int code = 0;

	if (len < NUMBERS)
		return 0;
	open_once();
	rest = (struct str){(const char *)bytes + NUMBERS, len - NUMBERS};
	str_split(&rest, '\0', &header);
	str_split(&rest, '\0', &url);
	str_split(&rest, '\0', &vary);
	write_row(bytes, header, url, vary, rest);
	if (disk_row_read(&source, ID, false, &row, &code) == DISK_ROW_FOUND)
		check_row(&row);
	sqlite3_reset(source.row);
	return 0;
}

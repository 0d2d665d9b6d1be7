/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_peek.h"

#include <string.h>
#include <unistd.h>

#include "cache/disk/disk_pages.h"
#include "cache/disk/disk_stream.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"

enum {
	MAX_COLUMNS = 40, /* that a row is looked at for */
	MAX_TRIES = 3,    /* when somebody commits meanwhile */
	CHUNK_COLUMNS = 3,
	MAX_NOW_BYTES = 4 * DISK_PIECE_BYTES, /* of a body: some 50 us of the worker's time */
};

/* What is read of a row of object, and of one of chunk. */
enum column {
	URL,
	VARY,
	STATUS,
	SIZE,
	STORED,
	DATE,
	EXPIRES,
	MODIFIED,
	FLAGS,
	ON_ERROR,
	ON_STALE,
	HEADER,
	HEADER_CRC,
	NCOLUMNS
};

static const char *const column_names[NCOLUMNS] = {
	[URL] = "url",           [VARY] = "vary",
	[STATUS] = "status",     [SIZE] = "size",
	[STORED] = "stored",     [DATE] = "date",
	[EXPIRES] = "expires",   [MODIFIED] = "modified",
	[FLAGS] = "flags",       [ON_ERROR] = "on_error",
	[ON_STALE] = "on_stale", [HEADER] = "header",
	[HEADER_CRC] = "crc",
};

/* Immutable but for its users, which the door's lock guards. */
struct disk_peek {
	struct disk_pages *pages;
	unsigned generation; /* of the file */
	uint64_t tag;        /* of its disk, for ids */
	uint32_t object_root, chunk_root;
	unsigned char places[NCOLUMNS]; /* of the columns in a row */
	unsigned nusers;
};

/* ---- records: a header of one type a column, then the values */

struct value {
	uint64_t type; /* 0: NULL; 1 to 6: so many bytes; 8, 9: 0, 1; even: a blob; odd: a text */
	const unsigned char *at;
};

static uint64_t value_bytes(uint64_t type)
{
	static const unsigned char sizes[12] = {0, 1, 2, 3, 4, 6, 8, 8};

	return type < COUNT(sizes) ? sizes[type] : (type - 12) / 2;
}

/* The first values, up to max; those that begin behind the leaf's part are left out. */
static unsigned read_record(const struct disk_cell *cell, struct value *values, unsigned max)
{
	const unsigned char *end = cell->at + cell->local, *at = cell->at;
	const unsigned char *header_end, *next;
	uint64_t header_bytes;
	unsigned n = 0;
	size_t len = disk_varint(at, end, &header_bytes);

	if (len == 0 || header_bytes < len || header_bytes > cell->local)
		return 0;
	header_end = next = at + header_bytes;
	for (at += len; at < header_end && n < max; n++) {
		len = disk_varint(at, header_end, &values[n].type);
		if (len == 0)
			return 0;
		values[n].at = next;
		at += len;
		if (value_bytes(values[n].type) > (uint64_t)(end - next))
			return cell->overflow ? n + 1 : 0; /* the last one of which a part is here */
		next += value_bytes(values[n].type);
	}
	return n;
}

static int64_t number_of(const struct value *value)
{
	size_t len = (size_t)value_bytes(value->type);
	uint64_t number;

	if (value->type == 9)
		return 1;
	if (len == 0 || value->type > 6)
		return 0;
	number = disk_big_endian(value->at, len);
	if (len < 8 && value->at[0] & 128)
		number |= ~UINT64_C(0) << 8 * len;
	return (int64_t)number;
}

static struct str text_of(const struct value *value)
{
	if (value->type < 12)
		return STR_NONE;
	return (struct str){(const char *)value->at, (size_t)value_bytes(value->type)};
}

/* ---- rows */

static int64_t column_number(const struct disk_peek *peek, const struct value *values,
                             enum column which)
{
	return number_of(&values[peek->places[which]]);
}

static struct freshness_facts facts_of(const struct disk_peek *peek, const struct value *values)
{
	return (struct freshness_facts){
		.date_s = column_number(peek, values, DATE),
		.expires_s = column_number(peek, values, EXPIRES),
		.modified_s = column_number(peek, values, MODIFIED),
		.arrived_s = column_number(peek, values, STORED),
		.flags = (uint32_t)column_number(peek, values, FLAGS),
		.stale_if_error_s = (uint32_t)column_number(peek, values, ON_ERROR),
		.stale_while_revalidate_s = (uint32_t)column_number(peek, values, ON_STALE),
	};
}

/* The row's spans lie in cell. */
static bool read_row(const struct disk_peek *peek, const struct disk_cell *cell,
                     struct disk_row *row)
{
	struct value values[MAX_COLUMNS];
	unsigned n = cell->overflow ? 0 : read_record(cell, values, MAX_COLUMNS);

	for (int i = 0; i < NCOLUMNS; i++)
		if (peek->places[i] >= n)
			return false;
	*row = (struct disk_row){.url = text_of(&values[peek->places[URL]]),
				 .vary = text_of(&values[peek->places[VARY]])};
	row->head = (struct object_head){
		.status = (int)column_number(peek, values, STATUS),
		.head = text_of(&values[peek->places[HEADER]]),
		.url = row->url,
		.vary = row->vary,
		.body_bytes = column_number(peek, values, SIZE),
		.facts = facts_of(peek, values),
	};
	return disk_row_is_sound(row, (uint32_t)column_number(peek, values, HEADER_CRC));
}

/* ---- bodies of a few pieces */

/* The piece's bytes into to, which has room for size. id: the piece's. */
static bool read_piece(struct disk_peek *peek, const struct disk_snapshot *snapshot, uint64_t id,
		       char *to, size_t size)
{
	struct value values[CHUNK_COLUMNS]; /* id, crc, data */
	struct disk_cell cell;
	size_t here;

	if (disk_pages_find(peek->pages, snapshot, peek->chunk_root, id, &cell) != DISK_FIND_ROW ||
	    read_record(&cell, values, CHUNK_COLUMNS) != CHUNK_COLUMNS || values[2].type < 12 ||
	    values[2].type % 2 != 0 || value_bytes(values[2].type) != size)
		return false;
	here = (size_t)(cell.at + cell.local - values[2].at);
	here = here < size ? here : size;
	memcpy(to, values[2].at, here);
	return (here == size || disk_pages_read_rest(peek->pages, snapshot, &cell, to + here,
						     size - here)) &&
	       hash_crc32c(to, size) == (uint32_t)number_of(&values[1]);
}

/* The body of the row of that id into to. Behind a last piece that is full there is none. */
static bool read_body(struct disk_peek *peek, const struct disk_snapshot *snapshot, uint64_t id,
		      char *to, size_t size)
{
	bool may_go_on = size > 0 && size % DISK_PIECE_BYTES == 0;
	uint64_t piece = id << SCHEMA_PIECE_BITS;
	struct disk_cell cell;

	for (; size > 0; piece++) {
		size_t n = size < DISK_PIECE_BYTES ? size : DISK_PIECE_BYTES;

		if (!read_piece(peek, snapshot, piece, to, n))
			return false;
		to += n;
		size -= n;
	}
	return !may_go_on || disk_pages_find(peek->pages, snapshot, peek->chunk_root, piece,
	                                     &cell) == DISK_FIND_NONE;
}

/* NULL: not now. */
static struct object *read_object(struct disk_peek *peek, const struct disk_snapshot *snapshot,
				  uint64_t id, const struct disk_row *row, bool is_lazy)
{
	size_t size = (size_t)row->head.body_bytes;
	struct object *object;
	char *body;

	if (size > (is_lazy ? DISK_PIECE_BYTES : MAX_NOW_BYTES))
		return NULL;
	object = object_create_blank(&row->head, &body);
	if (!read_body(peek, snapshot, id, body, size) ||
	    !disk_pages_is_current(peek->pages, snapshot)) {
		object_unref(object);
		return NULL;
	}
	object_commit(object, size);
	object_finish(object);
	atomic_store_explicit(&object->disk_id, peek->tag | id, memory_order_relaxed);
	return object;
}

/* ---- questions */

/* One attempt to answer query from one snapshot of the file. */
struct attempt {
	struct disk *disk;
	struct disk_peek *peek;
	struct disk_query *query;
	struct disk_snapshot snapshot;
};

/* FOUND, MISS: not this one; ASK. renewed: the row's head, where it has not got it yet; else
 * NULL. */
static enum disk_now try_row(const struct attempt *attempt, uint64_t id,
			     const struct object *renewed, struct object **out)
{
	struct disk_peek *peek = attempt->peek;
	struct disk_cell cell;
	struct disk_row row;

	if (disk_pages_find(peek->pages, &attempt->snapshot, peek->object_root, id, &cell) !=
		    DISK_FIND_ROW ||
	    !read_row(peek, &cell, &row))
		return DISK_NOW_ASK;
	disk_renewal_apply(renewed, &row.head);
	if (!disk_row_suits(&row, peek->tag | id, attempt->query) ||
	    disk_is_purged(attempt->disk, row.url, row.head.head))
		return DISK_NOW_MISS;
	*out = read_object(peek, &attempt->snapshot, id, &row, attempt->query->is_lazy);
	return *out ? DISK_NOW_FOUND : DISK_NOW_ASK;
}

static enum disk_now try_id(const struct attempt *attempt, uint64_t id, struct object **out)
{
	struct object *renewed = disk_renewal_find(attempt->disk, id);
	enum disk_now answer = try_row(attempt, id, renewed, out);

	object_unref(renewed);
	return answer;
}

static bool is_current(const struct attempt *attempt)
{
	return disk_pages_is_current(attempt->peek->pages, &attempt->snapshot);
}

static enum disk_now try_all(const struct attempt *attempt, struct object **out)
{
	struct disk_index *index = attempt->disk->index;
	struct disk_query *query = attempt->query;
	uint64_t ids[DISK_MAX_VARIANTS];
	unsigned n = disk_index_find(index, query->key, ids, DISK_MAX_VARIANTS);

	for (unsigned i = 0; i < n; i++) {
		enum disk_now answer = try_id(attempt, ids[i], out);

		if (answer == DISK_NOW_FOUND && !query->known)
			query->nhits = disk_index_hit(index, query->key, ids[i], 1);
		if (answer != DISK_NOW_MISS)
			return answer;
	}
	return is_current(attempt) ? DISK_NOW_MISS : DISK_NOW_ASK;
}

static struct disk_peek *enter(struct disk *disk)
{
	unsigned generation = atomic_load_explicit(&disk->generation, memory_order_acquire);
	struct disk_peek *peek;

	lock_take(&disk->door.lock);
	peek = disk->door.peek;
	if (peek && peek->generation == generation)
		peek->nusers++;
	else
		peek = NULL;
	lock_drop(&disk->door.lock);
	return peek;
}

static void leave(struct disk *disk, struct disk_peek *peek)
{
	lock_take(&disk->door.lock);
	peek->nusers--;
	lock_drop(&disk->door.lock);
}

enum disk_now disk_lookup_now(struct disk *disk, struct disk_query *query, struct object **object)
{
	struct attempt attempt = {.disk = disk, .query = query};
	enum disk_now answer = DISK_NOW_ASK;
	struct disk_peek *peek;

	/* Pairs with the writer's release after the last entry. */
	if (atomic_load_explicit(&disk->is_loading, memory_order_acquire) || !(peek = enter(disk)))
		return DISK_NOW_ASK;
	query->nhits = 0;
	attempt.peek = peek;
	for (int i = 0; i < MAX_TRIES && answer == DISK_NOW_ASK; i++) {
		if (!disk_pages_begin(peek->pages, &attempt.snapshot))
			break;
		answer = try_all(&attempt, object);
		if (answer == DISK_NOW_ASK && is_current(&attempt))
			break; /* it was no commit that came between */
	}
	leave(disk, peek);
	if (answer == DISK_NOW_ASK || query->known)
		return answer;
	disk_count(disk, COUNT_LOOKUPS, 1);
	if (answer == DISK_NOW_FOUND) {
		disk_count(disk, COUNT_HITS, 1);
		disk_count(disk, COUNT_READ_NOW, 1);
		disk_admission_note(disk->admission, query->key);
	}
	return answer;
}

/* ---- the door */

static bool read_root(sqlite3 *db, const char *table, uint32_t *root)
{
	char *sql = sqlite3_mprintf("SELECT rootpage FROM sqlite_schema WHERE type = 'table'"
				    " AND name = %Q",
				    table);
	int64_t number = 0;
	int rc = sql ? schema_number(db, sql, &number) : SQLITE_NOMEM;

	sqlite3_free(sql);
	*root = (uint32_t)number;
	return rc == SQLITE_OK && number > 1 && number <= UINT32_MAX;
}

static bool read_place(sqlite3 *db, const char *table, const char *column, unsigned char *place)
{
	char *sql = sqlite3_mprintf("SELECT cid FROM pragma_table_info(%Q) WHERE name = %Q", table,
				    column);
	int64_t number = 0;
	int rc = sql ? schema_number(db, sql, &number) : SQLITE_NOMEM;

	sqlite3_free(sql);
	*place = (unsigned char)number;
	return rc == SQLITE_OK && number >= 0 && number < MAX_COLUMNS;
}

static bool read_tables(struct disk_peek *peek, sqlite3 *db)
{
	unsigned char crc = 0, data = 0;

	for (int i = 0; i < NCOLUMNS; i++)
		if (!read_place(db, "object", column_names[i], &peek->places[i]))
			return false;
	return read_root(db, "object", &peek->object_root) &&
	       read_root(db, "chunk", &peek->chunk_root) && read_place(db, "chunk", "crc", &crc) &&
	       read_place(db, "chunk", "data", &data) && crc == 1 && data == 2;
}

static struct disk_peek *create(sqlite3 *db, unsigned generation)
{
	struct disk_peek *peek = mem_zalloc(sizeof(*peek));
	bool has_tables = false;

	peek->generation = generation;
	if (schema_run(db, "BEGIN") == SQLITE_OK) { /* tables and pages of one moment */
		has_tables = read_tables(peek, db);
		peek->pages = has_tables ? disk_pages_create(db) : NULL;
		schema_run(db, "COMMIT");
	}
	if (!peek->pages) {
		mem_free(peek);
		return NULL;
	}
	return peek;
}

struct disk_peek *disk_door_open(struct disk *disk, sqlite3 *db, unsigned generation)
{
	struct disk_peek *peek;
	bool is_open;

	lock_take(&disk->door.lock);
	is_open = disk->door.is_taken;
	disk->door.is_taken = true;
	lock_drop(&disk->door.lock);
	if (is_open)
		return NULL;
	peek = create(db, generation);
	if (peek)
		peek->tag = disk_tag(disk, 0);
	lock_take(&disk->door.lock);
	disk->door.peek = peek;
	disk->door.is_taken = peek != NULL;
	lock_drop(&disk->door.lock);
	return peek;
}

void disk_door_close(struct disk *disk, struct disk_peek *peek)
{
	enum { NAP_US = 20 };
	bool is_used = true;

	if (!peek)
		return;
	lock_take(&disk->door.lock);
	disk->door.peek = NULL;
	lock_drop(&disk->door.lock);
	while (is_used) {
		lock_take(&disk->door.lock);
		is_used = peek->nusers > 0;
		disk->door.is_taken = is_used;
		lock_drop(&disk->door.lock);
		if (is_used)
			usleep(NAP_US);
	}
	disk_pages_destroy(peek->pages);
	mem_free(peek);
}

bool disk_door_refresh(struct disk_peek *peek)
{
	disk_pages_refresh(peek->pages);
	return disk_pages_is_usable(peek->pages);
}

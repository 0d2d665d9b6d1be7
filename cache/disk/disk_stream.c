/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_stream.h"

#include <errno.h>

#include "cache/vary.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	GAP_BYTES = 2 * DISK_PIECE_BYTES,
	PIECES_AT_ONCE = 4, /* then others have their turn */
	COLUMN_URL = 0,
	COLUMN_VARY,
	COLUMN_STATUS,
	COLUMN_SIZE,
	COLUMN_STORED,
	COLUMN_DATE,
	COLUMN_EXPIRES,
	COLUMN_MODIFIED,
	COLUMN_FLAGS,
	COLUMN_ON_ERROR,
	COLUMN_ON_STALE,
	COLUMN_HEADER,
	COLUMN_HEADER_CRC,
	COLUMN_PIECE_CRC,
	COLUMN_PIECE,
	COLUMN_BODY_BYTES, /* of a body of more than a piece: where its last one ends */
};

static const char row_sql[] =
	"SELECT o.url, o.vary, o.status, o.size, o.stored, o.date, o.expires, o.modified, o.flags,"
	" o.on_error, o.on_stale, o.header, o.crc, c.crc, c.data,"
	" CASE WHEN o.size >= ?3 THEN (SELECT (l.id - (o.id << 20)) * ?3 + length(l.data) FROM chunk l"
	"  WHERE l.id < (o.id + 1) << 20 ORDER BY l.id DESC LIMIT 1) ELSE o.size END"
	" FROM object o LEFT JOIN chunk c ON c.id = o.id << 20 AND o.size <= ?2 WHERE o.id = ?1";

void disk_source_close(struct disk_source *source)
{
	sqlite3_finalize(source->row);
	sqlite3_finalize(source->piece);
	sqlite3_finalize(source->by_key);
	sqlite3_close(source->db);
	*source = (struct disk_source){0};
}

static int prepare(struct disk_source *source, const char *sql, sqlite3_stmt **out)
{
	return sqlite3_prepare_v3(source->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int disk_source_prepare(struct disk_source *source)
{
	int rc = prepare(source, row_sql, &source->row);

	if (rc == SQLITE_OK)
		rc = prepare(source, "SELECT crc, data FROM chunk WHERE id = ?1", &source->piece);
	if (rc == SQLITE_OK)
		rc = prepare(source, "SELECT id FROM usage WHERE key = ?1 ORDER BY id DESC LIMIT ?2",
			     &source->by_key);
	return rc;
}

int disk_source_open(struct disk_source *source, const char *path)
{
	int rc = schema_open_reader(path, &source->db, NULL);

	if (rc == SQLITE_OK)
		rc = disk_source_prepare(source);
	if (rc != SQLITE_OK)
		disk_source_close(source);
	return rc;
}

/* ---- rows */

static struct str text_of(sqlite3_stmt *stmt, int column)
{
	const char *at = (const char *)sqlite3_column_text(stmt, column);

	return (struct str){at, at ? (size_t)sqlite3_column_bytes(stmt, column) : 0};
}

static struct str blob_of(sqlite3_stmt *stmt, int column)
{
	const char *at = sqlite3_column_blob(stmt, column);

	return (struct str){at, at ? (size_t)sqlite3_column_bytes(stmt, column) : 0};
}

/* Status line and fields, each with its CRLF; no other CR or LF, no NUL, no empty line. */
static bool is_head(struct str head)
{
	struct str line;

	if (head.len > DISK_MAX_HEAD_BYTES || !str_starts_with(head, STR("HTTP/1.1 ")) ||
	    head.at[head.len - 1] != '\n' || memchr(head.at, 0, head.len))
		return false;
	head.len--; /* so that nothing follows the last line */
	while (str_split(&head, '\n', &line))
		if (line.len < 2 || str_find_char(line, '\r') != line.len - 1)
			return false;
	return true;
}

bool disk_row_is_sound(const struct disk_row *row, uint32_t head_crc)
{
	int64_t size = row->head.body_bytes;

	return row->url.len <= DISK_MAX_HEAD_BYTES && row->vary.len <= DISK_MAX_HEAD_BYTES &&
	       row->head.status >= 100 && row->head.status <= 999 && size >= 0 &&
	       disk_npieces((uint64_t)size) <= 1 << SCHEMA_PIECE_BITS && is_head(row->head.head) &&
	       hash_crc32c(row->head.head.at, row->head.head.len) == head_crc;
}

static bool is_news(const struct disk_row *row, uint64_t id, const struct disk_known *known)
{
	for (unsigned i = 0; i < known->n; i++)
		if (known->id[i] == id)
			return false;
	return row->head.status == 200 && row->head.facts.flags & FACT_HAS_ETAG;
}

bool disk_row_suits(const struct disk_row *row, uint64_t id, const struct disk_query *query)
{
	if (!str_eq(query->url, row->url))
		return false;
	if (query->known)
		return is_news(row, id, query->known);
	return row->vary.len == 0 || vary_matches(row->vary, query->head);
}

static struct freshness_facts facts_of(sqlite3_stmt *stmt)
{
	return (struct freshness_facts){
		.date_s = sqlite3_column_int64(stmt, COLUMN_DATE),
		.expires_s = sqlite3_column_int64(stmt, COLUMN_EXPIRES), /* NULL reads as 0 */
		.modified_s = sqlite3_column_int64(stmt, COLUMN_MODIFIED),
		.arrived_s = sqlite3_column_int64(stmt, COLUMN_STORED),
		.flags = (uint32_t)sqlite3_column_int64(stmt, COLUMN_FLAGS),
		.stale_if_error_s = (uint32_t)sqlite3_column_int64(stmt, COLUMN_ON_ERROR),
		.stale_while_revalidate_s = (uint32_t)sqlite3_column_int64(stmt, COLUMN_ON_STALE),
	};
}

enum disk_row_verdict disk_row_read(struct disk_source *source, uint64_t id, bool is_lazy,
				    struct disk_row *row, int *code)
{
	sqlite3_stmt *stmt = source->row;
	int rc;

	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	sqlite3_bind_int64(stmt, 2, is_lazy ? DISK_PIECE_BYTES : INT64_MAX);
	sqlite3_bind_int64(stmt, 3, DISK_PIECE_BYTES);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE)
		return DISK_ROW_NONE;
	if (rc != SQLITE_ROW) {
		*code = rc;
		return DISK_ROW_FAULT;
	}
	*row = (struct disk_row){.url = text_of(stmt, COLUMN_URL),
				 .vary = text_of(stmt, COLUMN_VARY)};
	row->head = (struct object_head){
		.status = sqlite3_column_int(stmt, COLUMN_STATUS),
		.head = text_of(stmt, COLUMN_HEADER),
		.url = row->url,
		.vary = row->vary,
		.body_bytes = sqlite3_column_int64(stmt, COLUMN_SIZE),
		.facts = facts_of(stmt),
	};
	/* A body whose end is missing would break off under the reader's eyes. */
	if (sqlite3_column_int64(stmt, COLUMN_BODY_BYTES) != row->head.body_bytes)
		return DISK_ROW_BAD;
	return disk_row_is_sound(row, (uint32_t)sqlite3_column_int64(stmt, COLUMN_HEADER_CRC)) ?
		       DISK_ROW_FOUND :
		       DISK_ROW_BAD;
}

/* Is it piece number n of a body of that size, as it was stored? */
static bool is_piece(struct str piece, uint32_t crc, uint64_t size, uint64_t n)
{
	uint64_t left = size - n * DISK_PIECE_BYTES;

	return piece.len == (left < DISK_PIECE_BYTES ? left : DISK_PIECE_BYTES) &&
	       hash_crc32c(piece.at, piece.len) == crc;
}

bool disk_row_read_piece(struct disk_source *source, struct disk_row *row)
{
	row->piece = blob_of(source->row, COLUMN_PIECE);
	row->crc = (uint32_t)sqlite3_column_int64(source->row, COLUMN_PIECE_CRC);
	return row->head.body_bytes == 0 ||
	       is_piece(row->piece, row->crc, (uint64_t)row->head.body_bytes, 0);
}

/* ---- streams */

static void end_badly(struct disk_stream *stream, int code)
{
	if (code != SQLITE_DONE && code != SQLITE_ROW) {
		stream->fault(stream->owner, code);
	} else if (disk_index_remove(stream->disk->index, stream->key, stream->id)) {
		/* Gone meanwhile if it is not in the index; else a piece is missing or damaged. */
		log_say(disk_count_fault(stream->disk, COUNT_BAD_PIECES),
			"Disk cache: piece %llu of %.*s is damaged: cut short and dropped",
			(unsigned long long)stream->npieces_done, STR_ARG(stream->object->url));
		disk_remove(stream->disk, stream->key, stream->id);
	}
	object_abort(stream->object, EIO);
}

static bool append_next(struct disk_stream *stream)
{
	sqlite3_stmt *stmt = stream->source->piece;
	struct object *object = stream->object;
	uint64_t n = stream->npieces_done;
	struct str piece;
	bool is_good;
	int rc;

	sqlite3_bind_int64(stmt, 1, (int64_t)(stream->id << SCHEMA_PIECE_BITS | n));
	rc = sqlite3_step(stmt);
	piece = rc == SQLITE_ROW ? blob_of(stmt, 1) : STR_NONE;
	is_good = piece.len > 0 && is_piece(piece, (uint32_t)sqlite3_column_int64(stmt, 0),
					    (uint64_t)object->body_bytes, n);
	if (is_good)
		object_append(object, piece);
	sqlite3_reset(stmt);
	if (!is_good)
		end_badly(stream, rc);
	stream->npieces_done++;
	return is_good;
}

/* Somebody reads, or it is wanted whole. */
static bool is_wanted(struct disk_stream *stream)
{
	struct object *object = stream->object;

	return object_nreaders(object) > 0 ||
	       atomic_load_explicit(&object->is_kept_, memory_order_relaxed);
}

static void run(struct loop_task *task)
{
	struct disk_stream *stream = CONTAINER(task, struct disk_stream, task);
	struct object *object = stream->object;
	uint64_t npieces = disk_npieces((uint64_t)object->body_bytes);

	for (int i = 0; stream->npieces_done < npieces && object_may_append(object); i++) {
		if (i == PIECES_AT_ONCE) {
			loop_defer(stream->loop, &stream->task);
			return;
		}
		if (!append_next(stream)) {
			disk_stream_destroy(stream);
			return;
		}
	}
	if (stream->npieces_done < npieces)
		return; /* the object's wake goes on */
	object_finish(object);
	disk_stream_destroy(stream);
}

/* The first reader waits: what lies before its place is not read. (It may have left again.) */
static void start(struct disk_stream *stream)
{
	struct object *object = stream->object;
	uint64_t first = object_first_wanted(object);
	uint64_t last_piece = disk_npieces((uint64_t)object->body_bytes) - 1;

	if (first == UINT64_MAX) {
		object_await_reader(object);
		return;
	}
	stream->npieces_done = first / DISK_PIECE_BYTES;
	if (stream->npieces_done > last_piece)
		stream->npieces_done = last_piece;
	if (stream->npieces_done > 0) {
		object_keep(object, false);
		object_begin_at(object, stream->npieces_done * DISK_PIECE_BYTES);
	}
	stream->is_started = true;
	loop_defer(stream->loop, &stream->task);
}

/* There is room again, somebody reads at last, or the last reader left. */
static void on_wake(void *producer)
{
	struct disk_stream *stream = producer;

	if (!stream->is_started)
		start(stream);
	else if (is_wanted(stream))
		loop_defer(stream->loop, &stream->task);
	else
		disk_stream_destroy(stream);
}

struct disk_stream *disk_stream_create(const struct disk_stream_config *config)
{
	struct disk_stream *stream = mem_zalloc(sizeof(*stream));
	const struct disk_row *row = config->row;

	*stream = (struct disk_stream){
		.disk = config->disk,
		.source = config->source,
		.object = object_create(config->loop, on_wake, stream, GAP_BYTES),
		.id = config->id,
		.key = config->key,
		.loop = config->loop,
		.task.run = run,
		.fault = config->fault,
		.owner = config->owner,
	};
	list_init(&stream->node);
	disk_pin(stream->disk, &stream->pin, stream->id);
	object_keep(stream->object, config->keep);
	object_set_head(stream->object, &row->head);
	atomic_store_explicit(&stream->object->disk_id, disk_tag(stream->disk, stream->id),
			      memory_order_relaxed);
	if (row->piece.len == 0) {
		object_await_reader(stream->object);
		return stream;
	}
	object_append(stream->object, row->piece);
	stream->npieces_done = 1;
	stream->is_started = true;
	loop_defer(stream->loop, &stream->task);
	return stream;
}

void disk_stream_destroy(struct disk_stream *stream)
{
	loop_task_cancel(&stream->task);
	if (object_state(stream->object) == OBJECT_FILLING)
		object_abort(stream->object, ECANCELED);
	disk_unpin(stream->disk, &stream->pin);
	list_remove(&stream->node);
	object_unref(stream->object);
	mem_free(stream);
}

void disk_stream_tick(struct disk_stream *stream)
{
	if (!object_is_shared(stream->object))
		disk_stream_destroy(stream);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_stream.h: rows into objects: checks what the file says, and carries the pieces of
 * a large body into its object. Everything in the file counts as hostile: each value is bounded and
 * each piece has its checksum.
 *
 * Threads: one reader's. */
#ifndef CACHE_DISK_STREAM_H
#define CACHE_DISK_STREAM_H
#include <sqlite3.h>

#include "cache/disk/disk_internal.h"
#include "cache/object.h"

/* The statements of a reading connection. */
struct disk_source {
	sqlite3 *db;
	sqlite3_stmt *row, *piece, *by_key;
};
/* An SQLite code; on failure the source is closed. */
int disk_source_open(struct disk_source *source, const char *path);
int disk_source_prepare(struct disk_source *source); /* on a connection that is open */
void disk_source_close(struct disk_source *source); /* fine when closed */

/* A large body on its way. The reader's, on its list until it has ended. */
struct disk_stream {
	struct list node;
	struct disk *disk;
	struct disk_source *source;
	struct object *object; /* a reference */
	struct disk_pin pin;
	uint64_t id, key, npieces_done;
	bool is_started; /* else nothing is read before the first reader waits */
	struct loop *loop;
	struct loop_task task;
	void (*fault)(void *owner, int code); /* see disk_stream_config */
	void *owner;
};

/* What a row holds, as spans that are gone when its statement is reset. */
struct disk_row {
	struct str url, vary;
	struct object_head head;
	struct str piece;
	uint32_t crc;
};

enum disk_row_verdict {
	DISK_ROW_NONE, /* no such row */
	DISK_ROW_FOUND,
	DISK_ROW_BAD,  /* it contradicts itself or its checksums */
	DISK_ROW_FAULT, /* *code says why */
};
/* A row of which spans and numbers are set: may it be an object? head_crc: of its head. */
bool disk_row_is_sound(const struct disk_row *row, uint32_t head_crc);
/* Does it answer the query? id: disk_tag's, of the row. */
bool disk_row_suits(const struct disk_row *row, uint64_t id, const struct disk_query *query);
/* Finds the row; the body's first piece is not looked at, nor, of a large one that is_lazy, read
 * from the file. The caller resets source->row. */
enum disk_row_verdict disk_row_read(struct disk_source *source, uint64_t id, bool is_lazy,
				    struct disk_row *row, int *code);
/* The first piece, checked. */
bool disk_row_read_piece(struct disk_source *source, struct disk_row *row);

struct disk_stream_config {
	struct disk *disk;
	struct disk_source *source;
	struct loop *loop;
	const struct disk_row *row; /* its first piece may be missing */
	uint64_t id, key;
	bool keep;                            /* object_keep */
	void (*fault)(void *owner, int code); /* the file is at fault: an SQLite code */
	void *owner;
};
/* The stream's object gets row's first piece at once, the others from loop's tasks. Without that
 * piece it begins with the one that its first reader waits for. */
struct disk_stream *disk_stream_create(const struct disk_stream_config *config);
/* Cuts the body short if it is not whole yet. */
void disk_stream_destroy(struct disk_stream *stream);
/* Ends a stream that nobody can read any more. */
void disk_stream_tick(struct disk_stream *stream);

/* The pieces of a body of that size. */
static inline uint64_t disk_npieces(uint64_t size)
{
	return (size + DISK_PIECE_BYTES - 1) / DISK_PIECE_BYTES;
}

#endif

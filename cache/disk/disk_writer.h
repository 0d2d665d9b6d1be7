/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_writer.h: the one thread that writes cache.db.
 *
 * What is to be written comes as items by mail and waits in a queue until there are 64, or 1 MiB,
 * or batch_wait_ms have passed; then a transaction takes as many as fit. An item takes effect in
 * memory when its transaction is committed. When that fails, removals are tried again, stores are
 * dropped.
 *
 * Threads: disk_writer_post by any; an item is given away with it. Each store's items come from one
 * thread: BEGIN, PIECE…, END or ABORT, or else a single STORE. */
#ifndef CACHE_DISK_WRITER_H
#define CACHE_DISK_WRITER_H
#include "cache/disk/disk_internal.h"
#include "cache/object.h"

enum disk_item_kind {
	ITEM_STORE, /* a complete object, read in place */
	ITEM_BEGIN, /* a store that comes in pieces; */
	ITEM_PIECE,
	ITEM_END,   /* its body is whole, */
	ITEM_ABORT, /* or never will be */
	ITEM_UPDATE,
	ITEM_REMOVE,
	ITEM_REMOVE_KEY,
	ITEM_LOG_PURGE,
	ITEM_FAULT, /* a reader met what the writer should see to */
	ITEM_HAND_OVER, /* another process goes on with the file */
	ITEM_STOP,
};

/* An object on its way into the file. The feed's (key to charged), until its last item is posted;
 * after that the writer's, which frees it. */
struct disk_store {
	struct object *object; /* a reference */
	uint64_t key, seq;
	uint64_t charged;      /* of the queue, for the store itself */
	bool is_followed;      /* it was not whole (object_begin_store) */
	atomic_bool is_failed; /* relaxed; set by the writer: more pieces are in vain */
	atomic_bool is_unwanted; /* relaxed: its key was removed since */
	struct list disk_node;   /* disk->shared.stores */
	/* the writer's */
	struct list node;
	uint64_t id, npieces, nbytes;
	bool is_noted; /* its id stands in the table of orphans */
};

struct disk_item {
	struct mail mail;
	struct list node;
	struct disk_writer *writer;
	enum disk_item_kind kind;
	int code;                 /* FAULT: SQLite's, */
	unsigned generation;      /* and of which file */
	struct disk_store *store; /* STORE to ABORT */
	struct disk_renewal *renewal; /* UPDATE: owned */
	uint64_t key, id;         /* UPDATE, REMOVE, REMOVE_KEY */
	struct disk_doubt *doubt; /* REMOVE_KEY: owned */
	uint64_t charged;
	struct object_reader reader; /* STORE */
	size_t len;
	char bytes[]; /* PIECE; LOG_PURGE: who, how and what, each with a NUL; id: of objects */
};

/* Takes db over; NULL: none could be opened, it tries again by itself. On failure *out is
 * untouched. */
enum err disk_writer_start(struct disk *disk, sqlite3 *db, struct disk_writer **out,
			   struct err_text *why);
/* Commits what is queued, ends the thread, closes. Accepts NULL. */
void disk_writer_stop(struct disk_writer *writer);

/* With room for nbytes; given away by disk_writer_post. */
struct disk_item *disk_item_create(enum disk_item_kind kind, size_t nbytes);
void disk_writer_post(struct disk_writer *writer, struct disk_item *item);

/* A store with a reference to object; the queue is charged by the caller. */
struct disk_store *disk_store_create(struct disk *disk, struct object *object, uint64_t key,
				     uint64_t charged);

#endif

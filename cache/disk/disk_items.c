/* SPDX-License-Identifier: BSD-2-Clause */
/* What each kind of item does: once in its transaction, and once when that has ended. */
#include "cache/disk/disk_writer_internal.h"

#include <string.h>

#include "cache/purge.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"

static bool is_failed(const struct disk_store *store)
{
	return atomic_load_explicit(&store->is_failed, memory_order_relaxed);
}

/* Ids are promised to the file a thousand at a time, so that none is given out twice. */
static int take_id(struct disk_writer *writer, uint64_t *out)
{
	enum { IDS_AT_ONCE = 1024 };
	int rc;

	if (writer->next_id >= writer->id_limit) {
		uint64_t limit = writer->next_id + IDS_AT_ONCE;

		if (limit >= UINT64_C(1) << SCHEMA_ID_BITS)
			return SQLITE_FULL;
		rc = rows_run(&writer->rows, ROW_SET_NEXT_ID, limit, 0);
		if (rc != SQLITE_OK)
			return rc;
		writer->id_limit = limit;
	}
	*out = writer->next_id++;
	return SQLITE_OK;
}

int writer_remove(struct disk_writer *writer, uint64_t key, uint64_t id)
{
	struct disk_removal removal = {
		.key = key,
		.id = id,
		.was_indexed = disk_index_remove(writer->disk->index, key, id),
		.is_pinned = disk_is_pinned(writer->disk, id),
	};

	if (writer->nremovals == writer->removals_cap) {
		writer->removals_cap = writer->removals_cap ? writer->removals_cap * 2 : 16;
		writer->removals = mem_realloc(writer->removals,
					       writer->removals_cap * sizeof(*writer->removals));
	}
	writer->removals[writer->nremovals++] = removal;
	return rows_remove(&writer->rows, id, removal.is_pinned);
}

void writer_settle_removals(struct disk_writer *writer, bool committed)
{
	struct disk *disk = writer->disk;

	for (size_t i = 0; i < writer->nremovals; i++) {
		const struct disk_removal *removal = &writer->removals[i];

		if (committed && removal->is_pinned)
			writer_doom(writer, removal->id);
		else if (!committed && removal->was_indexed &&
			 !disk_is_doubted(disk, removal->key, 0))
			disk_index_insert(disk->index, removal->key, removal->id,
					  DISK_PIECE_BYTES); /* about: rare, and forgiving */
	}
	writer->nremovals = 0;
}

/* ---- stores */

struct disk_store *disk_store_create(struct disk *disk, struct object *object, uint64_t key,
				     uint64_t charged)
{
	struct disk_store *store = mem_zalloc(sizeof(*store));

	store->object = object_ref(object);
	store->key = key;
	store->charged = charged;
	list_init(&store->node);
	lock_take(&disk->shared.lock);
	store->seq = atomic_fetch_add_explicit(&disk->next_seq, 1, memory_order_relaxed);
	list_push_back(&disk->shared.stores, &store->disk_node);
	lock_drop(&disk->shared.lock);
	return store;
}

static void store_free(struct disk_writer *writer, struct disk_store *store)
{
	list_remove(&store->node);
	lock_take(&writer->disk->shared.lock);
	list_remove(&store->disk_node);
	lock_drop(&writer->disk->shared.lock);
	disk_queue_release(writer->disk, store->charged);
	if (store->is_followed)
		object_end_store(store->object);
	object_unref(store->object);
	mem_free(store);
}

void store_fail(struct disk_writer *writer, struct disk_store *store)
{
	if (is_failed(store))
		return;
	atomic_store_explicit(&store->is_failed, true, memory_order_relaxed);
	disk_count(writer->disk, COUNT_DROPPED, 1);
	if (store->id != 0)
		writer_doom(writer, store->id);
}

/* Failed, or unwanted since its key was removed. */
static bool is_over(struct disk_writer *writer, struct disk_store *store)
{
	if (atomic_load_explicit(&store->is_unwanted, memory_order_relaxed))
		store_fail(writer, store);
	return is_failed(store);
}

/* Stands the id among the orphans, so that a crash from here on leaves no piece behind. */
static int note(struct disk_writer *writer, struct disk_store *store)
{
	int rc;

	if (store->is_noted)
		return SQLITE_OK;
	rc = rows_add_orphan(&writer->rows, store->id);
	store->is_noted = rc == SQLITE_OK;
	return rc;
}

/* No rows are to come; the pieces that are in this transaction stand among the orphans. */
static int give_up(struct disk_writer *writer, struct disk_store *store)
{
	store_fail(writer, store);
	return store->npieces > 0 ? note(writer, store) : SQLITE_OK;
}

static int add_piece(struct disk_writer *writer, struct disk_store *store, const void *bytes,
		     size_t len)
{
	int rc = rows_add_piece(&writer->rows, store->id, store->npieces, bytes, len);

	if (rc != SQLITE_OK)
		return rc;
	store->npieces++;
	store->nbytes += len;
	writer->batch_bytes += len;
	return SQLITE_OK;
}

/* May the file hold another object of this key and URL? */
static bool may_have_same(struct disk_writer *writer, uint64_t key)
{
	struct disk *disk = writer->disk;

	if (disk_index_has(disk->index, key) ||
	    atomic_load_explicit(&disk->is_loading, memory_order_relaxed))
		return true;
	LIST_EACH(node, &writer->done) {
		struct disk_item *item = CONTAINER(node, struct disk_item, node);

		if (item->store && item->store->key == key)
			return true;
	}
	return false;
}

static int replace_same(struct disk_writer *writer, struct disk_store *store)
{
	uint64_t ids[DISK_MAX_VARIANTS];
	unsigned n = 0;
	int rc = SQLITE_OK;

	if (!may_have_same(writer, store->key))
		return SQLITE_OK;
	rc = rows_find_same(&writer->rows, store->key, store->object, ids, DISK_MAX_VARIANTS, &n);
	for (unsigned i = 0; i < n && rc == SQLITE_OK; i++)
		rc = writer_remove(writer, store->key, ids[i]);
	return rc;
}

/* What the purges make of it that came after it was asked for. */
static enum purge_effect purges_since(struct disk_writer *writer, const struct object *object)
{
	struct purge_list *purges = writer->disk->config.purges;

	return purges ? purge_list_effect(purges, object->since, object->url, object->head)
		      : PURGE_MISSES;
}

/* The last piece is in: the rows make the object visible. */
static int add_rows(struct disk_writer *writer, struct disk_store *store)
{
	enum purge_effect effect = purges_since(writer, store->object);
	int rc;

	if (effect == PURGE_REMOVES)
		return give_up(writer, store);
	rc = replace_same(writer, store);
	if (rc == SQLITE_OK)
		rc = rows_add_object(&writer->rows, store->id, store->key, store->object,
				     store->nbytes);
	if (rc == SQLITE_OK && effect == PURGE_MARKS)
		rc = rows_run(&writer->rows, ROW_MARK_STALE, store->id, (uint64_t)clock_wall_s());
	if (rc == SQLITE_OK && store->is_noted)
		rc = rows_delete_orphan(&writer->rows, store->id);
	writer->batch_bytes += store->object->head.len + store->object->url.len;
	writer->batch_objects++;
	return rc;
}

/* The next piece of a whole body; empty at its end. In place if it lies in one stretch there, which
 * stays as it is while the object does, else in writer->piece. */
static struct str gather(struct disk_writer *writer, struct object_reader *reader)
{
	uint64_t left = object_length(reader->object) - reader->offset;
	size_t want = left < DISK_PIECE_BYTES ? (size_t)left : DISK_PIECE_BYTES;
	struct str piece = {writer->piece, 0};

	while (piece.len < want) {
		struct iovec iov[4];
		size_t before = piece.len;
		int niov = 0;

		if (object_read(reader, iov, COUNT(iov), want - piece.len, &niov) !=
		    OBJECT_READ_DATA)
			break;
		if (before == 0 && niov == 1 && iov[0].iov_len == want) {
			object_reader_advance(reader, want);
			return (struct str){iov[0].iov_base, want};
		}
		for (int i = 0; i < niov; i++) {
			memcpy(writer->piece + piece.len, iov[i].iov_base, iov[i].iov_len);
			piece.len += iov[i].iov_len;
		}
		if (piece.len == before)
			break;
		object_reader_advance(reader, piece.len - before);
	}
	return piece;
}

static void ignore_wake(void *owner)
{
	(void)owner; /* a complete body never makes its reader wait */
}

static int run_store(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	struct disk_store *store = item->store;
	int rc = SQLITE_OK;
	struct str piece;

	if (is_over(writer, store))
		return SQLITE_OK;
	if (store->id == 0) {
		rc = take_id(writer, &store->id);
		if (rc != SQLITE_OK)
			return rc;
		object_reader_open(&item->reader, store->object, 0, writer->loop, ignore_wake,
		                   item);
	}
	while (rc == SQLITE_OK && (piece = gather(writer, &item->reader)).len > 0) {
		rc = add_piece(writer, store, piece.at, piece.len);
		if (rc == SQLITE_OK && writer->batch_bytes >= BATCH_BYTES) {
			*more = true;
			return note(writer, store);
		}
	}
	if (rc != SQLITE_OK)
		return rc;
	if (store->nbytes == object_length(store->object))
		return add_rows(writer, store);
	return give_up(writer, store); /* its beginning is not in memory any more */
}

static int run_begin(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	int rc;

	(void)more;
	if (is_over(writer, item->store))
		return SQLITE_OK;
	rc = take_id(writer, &item->store->id);
	return rc == SQLITE_OK ? note(writer, item->store) : rc;
}

static int run_piece(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	(void)more;
	if (is_over(writer, item->store))
		return SQLITE_OK;
	return add_piece(writer, item->store, item->bytes, item->len);
}

static int run_end(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	(void)more;
	return is_over(writer, item->store) ? SQLITE_OK : add_rows(writer, item->store);
}

/* Visible from here on, unless all of its key was removed since the store was asked for. */
static void publish(struct disk_writer *writer, struct disk_store *store)
{
	struct disk *disk = writer->disk;

	disk_index_insert(disk->index, store->key, store->id,
			  disk_cost(store->object, store->nbytes));
	if (disk_is_doubted(disk, store->key, store->seq))
		disk_index_remove(disk->index, store->key, store->id);
	/* Relaxed: the number says nothing of other memory. */
	atomic_store_explicit(&store->object->disk_id, disk_tag(disk, store->id),
			      memory_order_relaxed);
	disk_count(disk, COUNT_STORED, 1);
	disk_count(disk, COUNT_STORED_BYTES, store->nbytes);
	writer->aged_bytes += disk_cost(store->object, store->nbytes);
	if (disk->config.on_stored)
		disk->config.on_stored(disk->config.owner, store->object);
}

static void settle_store(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	object_reader_close(&item->reader);
	if (committed && !is_failed(item->store))
		publish(writer, item->store);
	else
		store_fail(writer, item->store);
	store_free(writer, item->store);
}

static void settle_begin(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	if (committed)
		list_push_back(&writer->stores, &item->store->node);
	else
		store_fail(writer, item->store);
}

static void settle_piece(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	if (!committed)
		store_fail(writer, item->store);
}

static void settle_end(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	settle_store(writer, item, committed);
}

static void settle_abort(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	(void)committed;
	settle_store(writer, item, false);
}

/* ---- what is there already */

static int run_update(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	(void)more;
	return rows_update_head(&writer->rows, item->id, item->renewal->object);
}

static void settle_update(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	(void)committed; /* else the old head stays, and is renewed again some day */
	disk_renewal_end(writer->disk, item->renewal);
}

static int run_remove(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	(void)more;
	return writer_remove(writer, item->key, item->id);
}

static void settle_remove(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	(void)item;
	if (committed)
		disk_count(writer->disk, COUNT_REMOVED, 1);
}

static int run_remove_key(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	uint64_t ids[DISK_MAX_VARIANTS];
	unsigned n = 0;
	int rc = rows_find_key(&writer->rows, item->key, ids, DISK_MAX_VARIANTS, &n);

	for (unsigned i = 0; i < n && rc == SQLITE_OK; i++)
		rc = writer_remove(writer, item->key, ids[i]);
	*more = n == DISK_MAX_VARIANTS;
	return rc;
}

static void settle_remove_key(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	disk_doubt_end(writer->disk, item->doubt);
	mem_free(item->doubt);
	if (committed)
		disk_count(writer->disk, COUNT_REMOVED, 1);
}

static int run_log_purge(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	const char *who = item->bytes, *how = who + strlen(who) + 1, *what = how + strlen(how) + 1;

	(void)more;
	return rows_log_purge(&writer->rows, who, how, what, item->id, -1);
}

static void settle_nothing(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	(void)writer;
	(void)item;
	(void)committed;
}

/* ---- the table */

static int run_nothing(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	(void)writer;
	(void)item;
	(void)more;
	return SQLITE_OK;
}

static const struct item_type {
	int (*run)(struct disk_writer *writer, struct disk_item *item, bool *more);
	void (*settle)(struct disk_writer *writer, struct disk_item *item, bool committed);
	bool is_lasting; /* tried again after a failed transaction */
} types[] = {
	[ITEM_STORE] = {run_store, settle_store, false},
	[ITEM_BEGIN] = {run_begin, settle_begin, false},
	[ITEM_PIECE] = {run_piece, settle_piece, false},
	[ITEM_END] = {run_end, settle_end, false},
	[ITEM_ABORT] = {run_nothing, settle_abort, false},
	[ITEM_UPDATE] = {run_update, settle_update, false},
	[ITEM_REMOVE] = {run_remove, settle_remove, true},
	[ITEM_REMOVE_KEY] = {run_remove_key, settle_remove_key, true},
	[ITEM_LOG_PURGE] = {run_log_purge, settle_nothing, false},
};

int item_run(struct disk_writer *writer, struct disk_item *item, bool *more)
{
	check((size_t)item->kind < COUNT(types));
	return types[item->kind].run(writer, item, more);
}

void item_settle(struct disk_writer *writer, struct disk_item *item, bool committed)
{
	types[item->kind].settle(writer, item, committed);
	disk_queue_release(writer->disk, item->charged);
	mem_free(item);
}

bool item_is_lasting(const struct disk_item *item)
{
	return types[item->kind].is_lasting;
}

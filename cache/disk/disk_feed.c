/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/disk/disk_feed.h"

#include "cache/disk/disk_writer.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/loop_thread.h"

/* The thread's own. */
struct disk_feed {
	struct disk *disk;
	struct loop *loop;
	pthread_t thread;
	struct list follows;
	struct mail stop;
};

/* One body: the mail's until delivered, then the feed's. */
struct follow {
	struct mail mail;
	struct list node;
	struct disk_feed *feed;
	struct disk_store *store;
	struct object_reader reader;
	struct disk_item *piece; /* the one that fills; NULL: none */
	size_t filled;
	uint64_t nbytes;
	bool is_begun;
};

enum step { STEP_GO_ON, STEP_WAIT, STEP_OVER };

static void post(struct follow *follow, enum disk_item_kind kind)
{
	struct disk_item *item = disk_item_create(kind, 0);

	item->store = follow->store;
	disk_writer_post(follow->feed->disk->writer, item);
}

/* The store goes on with the writer, or ends there. */
static void end(struct follow *follow, enum disk_item_kind kind)
{
	if (follow->piece) {
		disk_queue_release(follow->feed->disk, follow->piece->charged);
		mem_free(follow->piece);
	}
	object_reader_close(&follow->reader);
	post(follow, kind);
	list_remove(&follow->node);
	mem_free(follow);
}

static bool may_go_on(struct follow *follow)
{
	struct disk *disk = follow->feed->disk;

	return !atomic_load_explicit(&follow->store->is_failed, memory_order_relaxed) &&
	       !atomic_load_explicit(&follow->store->is_unwanted, memory_order_relaxed) &&
	       follow->nbytes <= disk->config.max_object_bytes && disk_state(disk) == DISK_NORMAL;
}

/* Room for the next bytes; false: the queue is full. */
static bool have_piece(struct follow *follow)
{
	if (follow->piece)
		return true;
	if (!disk_queue_charge(follow->feed->disk, DISK_PIECE_BYTES))
		return false;
	follow->piece = disk_item_create(ITEM_PIECE, DISK_PIECE_BYTES);
	follow->piece->charged = DISK_PIECE_BYTES;
	follow->piece->store = follow->store;
	follow->filled = 0;
	return true;
}

static void post_piece(struct follow *follow)
{
	if (!follow->is_begun)
		post(follow, ITEM_BEGIN);
	follow->is_begun = true;
	follow->piece->len = follow->filled;
	disk_writer_post(follow->feed->disk->writer, follow->piece);
	follow->piece = NULL;
}

static enum step take(struct follow *follow, const struct iovec *iov, int niov)
{
	size_t taken = 0;

	for (int i = 0; i < niov; i++) {
		memcpy(follow->piece->bytes + follow->filled, iov[i].iov_base, iov[i].iov_len);
		follow->filled += iov[i].iov_len;
		taken += iov[i].iov_len;
	}
	follow->nbytes += taken;
	object_reader_advance(&follow->reader, taken);
	if (follow->filled == DISK_PIECE_BYTES)
		post_piece(follow);
	return STEP_GO_ON;
}

/* All of it was read: the rows are next. */
static enum step finish(struct follow *follow)
{
	if (follow->piece && follow->filled > 0)
		post_piece(follow);
	if (!follow->is_begun)
		post(follow, ITEM_BEGIN); /* an empty body */
	end(follow, follow->nbytes >= follow->feed->disk->config.min_object_bytes ? ITEM_END
										  : ITEM_ABORT);
	return STEP_OVER;
}

static enum step step(struct follow *follow)
{
	struct iovec iov[4];
	int niov = 0;

	if (!follow->is_begun && !follow->piece && object_is_whole(follow->store->object)) {
		end(follow, ITEM_STORE); /* it can be read in place */
		return STEP_OVER;
	}
	if (!may_go_on(follow) || !have_piece(follow)) {
		end(follow, ITEM_ABORT);
		return STEP_OVER;
	}
	switch (object_read(&follow->reader, iov, COUNT(iov), DISK_PIECE_BYTES - follow->filled,
			    &niov)) {
	case OBJECT_READ_DATA:
		return take(follow, iov, niov);
	case OBJECT_READ_WAIT:
		return STEP_WAIT;
	case OBJECT_READ_END:
		return finish(follow);
	case OBJECT_READ_ABORTED:
		break;
	}
	end(follow, ITEM_ABORT);
	return STEP_OVER;
}

static void on_wake(void *owner)
{
	while (step(owner) == STEP_GO_ON)
		;
}

static void deliver(struct mail *mail)
{
	struct follow *follow = CONTAINER(mail, struct follow, mail);

	list_push_back(&follow->feed->follows, &follow->node);
	on_wake(follow);
}

void disk_feed_follow(struct disk_feed *feed, struct disk_store *store)
{
	struct follow *follow = mem_zalloc(sizeof(*follow));

	follow->feed = feed;
	follow->store = store;
	list_init(&follow->node);
	store->is_followed = true;
	object_begin_store(store->object);
	/* Here and now, before the body's beginning is passed and freed. */
	object_reader_open_aside(&follow->reader, store->object, 0, feed->loop, on_wake, follow);
	follow->mail.deliver = deliver;
	loop_post(feed->loop, &follow->mail);
}

static void deliver_stop(struct mail *mail)
{
	struct disk_feed *feed = CONTAINER(mail, struct disk_feed, stop);

	LIST_EACH_SAFE(node, &feed->follows)
		end(CONTAINER(node, struct follow, node), ITEM_ABORT);
	loop_stop(feed->loop);
}

enum err disk_feed_start(struct disk *disk, struct disk_feed **out, struct err_text *why)
{
	enum { READ_BYTES = 4096 }; /* the loop wants a buffer; nothing is read here */
	struct disk_feed *feed = mem_zalloc(sizeof(*feed));

	feed->disk = disk;
	list_init(&feed->follows);
	feed->stop.deliver = deliver_stop;
	feed->loop = loop_create(READ_BYTES, why);
	if (!feed->loop || !loop_thread_start(&feed->thread, "disk-feed", feed->loop, why)) {
		loop_destroy(feed->loop);
		mem_free(feed);
		return ERR_DISK;
	}
	*out = feed;
	return ERR_OK;
}

void disk_feed_stop(struct disk_feed *feed)
{
	if (!feed)
		return;
	loop_post(feed->loop, &feed->stop);
	pthread_join(feed->thread, NULL);
	loop_destroy(feed->loop);
	mem_free(feed);
}

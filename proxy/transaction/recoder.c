/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/recoder.h"

#include <errno.h>

#include "cache/coding.h"
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/http/content_codec.h"
#include "proxy/server.h"
#include "proxy/worker.h"

enum {
	HEAD_MAX_BYTES = 1 << 20,
	PIECE_BYTES = 16384,      /* read in a turn */
	PIECE_OUT_BYTES = 131072, /* or written */
	BOMB_FREE_BYTES = 1 << 20, /* unpacked: more is a bomb when it is so many times what was packed */
	BOMB_RATIO = 200,
	UNPACKED_MAX_BYTES = 1 << 30,
};

struct recoder {
	struct list node;     /* recoders->all_ */
	struct list due_node; /* recoders->due_ */
	struct worker *worker;
	struct object *from, *to;
	struct object_reader reader; /* of from */
	struct content_codec *codec; /* once it is started */
	enum content_coding coding, wanted;
	int level;
	uint64_t max_kept_bytes;
	uint64_t nread;
	bool is_packing, is_kept;
	bool is_flushed; /* all that was read has come out */
};

/* ---- life */

static void run_next(struct loop_task *task);

void recoders_init(struct recoders *recoders)
{
	list_init(&recoders->all_);
	list_init(&recoders->due_);
	recoders->n_ = 0;
	recoders->task_.run = run_next;
}

static void set_due(struct recoder *recoder)
{
	struct recoders *recoders = &recoder->worker->recoders;

	if (list_is_empty(&recoder->due_node))
		list_push_back(&recoders->due_, &recoder->due_node);
	loop_defer(recoder->worker->loop, &recoders->task_);
}

static void from_woke(void *owner)
{
	set_due(owner);
}

void recoder_destroy(struct recoder *recoder)
{
	if (!recoder)
		return;
	object_forget_producer(recoder->to);
	object_reader_close(&recoder->reader);
	list_remove(&recoder->node);
	list_remove(&recoder->due_node);
	recoder->worker->recoders.n_--;
	content_codec_destroy(recoder->codec);
	object_unref(recoder->to);
	object_unref(recoder->from);
	mem_free(recoder);
}

static void give_up(struct recoder *recoder, int error)
{
	object_abort(recoder->to, error);
	recoder_destroy(recoder);
}

/* The slowest reader has caught up, or the last one has left. */
static void to_woke(void *producer)
{
	struct recoder *recoder = producer;

	if (object_nreaders(recoder->to) == 0 &&
	    !(recoder->is_kept && object_state(recoder->from) == OBJECT_COMPLETE))
		give_up(recoder, ECANCELED);
	else
		set_due(recoder);
}

void recoders_stop_all(struct worker *worker)
{
	LIST_EACH_SAFE(node, &worker->recoders.all_)
		give_up(CONTAINER(node, struct recoder, node), ECANCELED);
	loop_task_cancel(&worker->recoders.task_);
}

/* ---- the head */

static void write_heads(struct recoder *recoder)
{
	const struct object *from = recoder->from;
	struct object_head head = {
		.status = from->status,
		.url = from->url,
		.vary = from->vary,
		.body_bytes = -1,
		.facts = from->facts,
		.decision = from->decision,
		.since = from->since,
	};
	struct buf lines, once;

	buf_init(&lines, HEAD_MAX_BYTES);
	buf_init(&once, HEAD_MAX_BYTES);
	coding_write_head(from->head, recoder->wanted, &lines);
	coding_write_fields(from->head_once, &once);
	head.head = buf_str(&lines);
	head.head_once = buf_str(&once);
	object_set_head(recoder->to, &head);
	buf_fini(&lines);
	buf_fini(&once);
}

static bool stays_in_memory(const struct object *object)
{
	return object_is_whole(object) ||
	       atomic_load_explicit(&object->is_kept_, memory_order_relaxed);
}

struct recoder *recoder_create(const struct recoder_order *order)
{
	struct worker *worker = order->worker;
	struct recoder *recoder;

	if (worker->recoders.n_ >= RECODERS_MAX)
		return NULL;
	recoder = mem_zalloc(sizeof(*recoder));
	worker->recoders.n_++;
	list_init(&recoder->node);
	list_init(&recoder->due_node);
	recoder->worker = worker;
	recoder->from = object_ref(order->from);
	recoder->coding = order->coding;
	recoder->wanted = order->wanted;
	recoder->level = order->level;
	recoder->max_kept_bytes = order->max_kept_bytes;
	recoder->is_packing = order->coding == CODING_IDENTITY;
	recoder->is_kept = stays_in_memory(order->from);
	recoder->to = object_create(worker->loop, to_woke, recoder, order->gap_bytes);
	object_keep(recoder->to, recoder->is_kept);
	write_heads(recoder);
	return recoder;
}

struct object *recoder_object(const struct recoder *recoder)
{
	return recoder->to;
}

struct object *recoder_find(const struct worker *worker, const struct object *from,
			    enum content_coding wanted)
{
	LIST_EACH(node, &worker->recoders.all_) {
		const struct recoder *recoder = CONTAINER(node, const struct recoder, node);

		if (recoder->from == from && recoder->wanted == wanted && recoder->is_kept)
			return recoder->to;
	}
	return NULL;
}

void recoder_start(struct recoder *recoder)
{
	recoder->codec = recoder->is_packing
				 ? content_codec_packer(recoder->wanted, recoder->level)
				 : content_codec_unpacker(recoder->coding);
	object_reader_open(&recoder->reader, recoder->from, 0, recoder->worker->loop, from_woke,
			   recoder);
	list_push_back(&recoder->worker->recoders.all_, &recoder->node);
	set_due(recoder);
}

/* ---- a piece */

static bool is_bomb(const struct recoder *recoder)
{
	uint64_t nwritten = object_length(recoder->to);

	return !recoder->is_packing &&
	       (nwritten > UNPACKED_MAX_BYTES ||
		(nwritten > BOMB_FREE_BYTES && nwritten / BOMB_RATIO > recoder->nread));
}

static void mind_size(struct recoder *recoder)
{
	if (!recoder->is_kept || object_length(recoder->to) <= recoder->max_kept_bytes)
		return;
	recoder->is_kept = false;
	object_keep(recoder->to, false);
}

/* Cuts what it takes off *in. FULL: enough for this turn. */
static enum codec_state run_codec(struct recoder *recoder, struct str *in, enum codec_wish wish)
{
	enum codec_state state = CODEC_FULL;
	size_t nwritten = 0;

	while (state == CODEC_FULL && nwritten < PIECE_OUT_BYTES) {
		size_t size, room;
		char *at = object_reserve(recoder->to, &size);

		room = size;
		state = content_codec_run(recoder->codec, in, wish, &at, &room);
		object_commit(recoder->to, size - room);
		nwritten += size - room;
	}
	mind_size(recoder);
	return state;
}

static void finish(struct recoder *recoder)
{
	struct object *from = recoder->from, *to = recoder->to;
	struct counters *counters = &recoder->worker->counters;

	object_finish(to);
	counters->recoded_bodies[recoder->wanted]++;
	counters->recoder_bytes_in += recoder->nread;
	counters->recoder_bytes_out += object_length(to);
	if (recoder->is_kept && object_is_whole(to) &&
	    object_add_coded(from, recoder->wanted, to) && from->key != 0)
		index_note_growth(recoder->worker->server->index, from);
	recoder_destroy(recoder);
}

static void run_data(struct recoder *recoder, const struct iovec *iov)
{
	struct str in = {iov->iov_base, iov->iov_len};
	enum codec_state state = run_codec(recoder, &in, CODEC_GO_ON);

	recoder->nread += iov->iov_len - in.len;
	recoder->is_flushed = false;
	object_reader_advance(&recoder->reader, iov->iov_len - in.len);
	if (state == CODEC_DONE)
		finish(recoder);
	else if (state == CODEC_BROKEN || is_bomb(recoder)) {
		log_say(1, "cannot unpack %.*s: %s", STR_ARG(recoder->from->url),
			state == CODEC_BROKEN ? "its content is not what its Content-Encoding says"
					      : "it would become far too large");
		give_up(recoder, EPROTO);
	} else {
		set_due(recoder);
	}
}

/* What has come so far is not held back while there is no more. */
static void run_wait(struct recoder *recoder)
{
	struct str none = STR("");

	if (!recoder->is_packing || recoder->is_flushed || recoder->nread == 0)
		return;
	if (run_codec(recoder, &none, CODEC_FLUSH) == CODEC_FULL)
		set_due(recoder);
	else
		recoder->is_flushed = true;
}

static void run_end(struct recoder *recoder)
{
	struct str none = STR("");

	switch (run_codec(recoder, &none, CODEC_END)) {
	case CODEC_DONE:
		finish(recoder);
		return;
	case CODEC_FULL:
		set_due(recoder);
		return;
	case CODEC_HUNGRY:
	case CODEC_BROKEN:
		give_up(recoder, EPROTO);
	}
}

static void run_piece(struct recoder *recoder)
{
	struct iovec iov;
	int niov;

	if (!object_may_append(recoder->to)) {
		if (object_nreaders(recoder->to) == 0) /* it grew too large to be kept for others */
			give_up(recoder, ECANCELED);
		return;
	}
	switch (object_read(&recoder->reader, &iov, 1, PIECE_BYTES, &niov)) {
	case OBJECT_READ_DATA:
		run_data(recoder, &iov);
		return;
	case OBJECT_READ_WAIT:
		run_wait(recoder);
		return;
	case OBJECT_READ_END:
		run_end(recoder);
		return;
	case OBJECT_READ_ABORTED:
		give_up(recoder, ECONNRESET);
	}
}

/* One of them in a turn: what a task defers runs in the next, after events have had theirs. */
static void run_next(struct loop_task *task)
{
	struct recoders *recoders = CONTAINER(task, struct recoders, task_);
	struct worker *worker = CONTAINER(recoders, struct worker, recoders);
	struct list *node = list_pop_front(&recoders->due_);

	if (node)
		run_piece(CONTAINER(node, struct recoder, due_node));
	if (!list_is_empty(&recoders->due_))
		loop_defer(worker->loop, &recoders->task_);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/background.h"

#include "cache/object.h"
#include "lib/base/heap.h"
#include "lib/http/h1.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"

enum { HEAD_MAX_BYTES = 1 << 20, READ_PIECES = 8 };

/* One worker's. */
struct background {
	struct list node; /* worker->backgrounds */
	struct worker *worker;
	struct transaction *transaction;
	_Atomic(uint32_t) *slot;
};

/* ---- one for a URL. A slot guards nothing but itself: relaxed. */

static _Atomic(uint32_t) *claim(struct server *server, uint64_t key)
{
	_Atomic(uint32_t) *slot = &server->background.slots[key % BACKGROUND_SLOTS];
	uint32_t is_free = 0;

	return atomic_compare_exchange_strong_explicit(slot, &is_free, (uint32_t)(key >> 32) | 1,
	                                               memory_order_relaxed, memory_order_relaxed)
	               ? slot
	               : NULL;
}

static void end(struct background *background)
{
	struct worker *worker = background->worker;

	transaction_end(background->transaction, true);
	atomic_store_explicit(background->slot, 0, memory_order_relaxed);
	list_remove(&background->node);
	mem_free(background);
	worker_session_ended(worker);
}

/* ---- the exchange of nobody */

static ssize_t read_body(struct exchange *exchange, void *into, size_t size)
{
	(void)exchange, (void)into, (void)size;
	return 0;
}

static void send_continue(struct exchange *exchange)
{
	(void)exchange;
}

static void send_interim(struct exchange *exchange, struct str head)
{
	(void)exchange, (void)head;
}

/* Follows the body to its end, so that the fetch has a reader, and then all is done. */
static void reply_ready(struct exchange *exchange)
{
	struct reply *reply = &exchange->reply;
	struct iovec iov[READ_PIECES];
	enum object_read got = OBJECT_READ_DATA;
	int niov;

	while (reply->reader.object && got == OBJECT_READ_DATA) {
		got = object_read(&reply->reader, iov, READ_PIECES, UINT64_MAX, &niov);
		for (int i = 0; got == OBJECT_READ_DATA && i < niov; i++)
			object_reader_advance(&reply->reader, iov[i].iov_len);
	}
	if (got != OBJECT_READ_WAIT)
		end(exchange->session);
}

static const struct exchange_ops background_ops = {
	.read_body = read_body,
	.reply_ready = reply_ready,
	.send_continue = send_continue,
	.send_interim = send_interim,
};

/* ---- its request: a GET of the whole, with what chose the variant */

static bool is_left_out(enum http_field_id id)
{
	switch (id) {
	case FIELD_CACHE_CONTROL:
	case FIELD_CONTENT_LENGTH:
	case FIELD_EXPECT:
	case FIELD_IF_MATCH:
	case FIELD_IF_MODIFIED_SINCE:
	case FIELD_IF_NONE_MATCH:
	case FIELD_IF_RANGE:
	case FIELD_IF_UNMODIFIED_SINCE:
	case FIELD_PRAGMA:
	case FIELD_RANGE:
	case FIELD_TRANSFER_ENCODING:
		return true;
	default:
		return false;
	}
}

static void write_request(const struct http_request *from, struct buf *out)
{
	const struct http_head *head = &from->head;

	buf_add_str(out, STR("GET "));
	buf_add_str(out, http_span(head, from->target));
	buf_add_str(out, STR(" HTTP/1.1\r\n"));
	for (unsigned i = 0; i < head->nfields; i++) {
		if (is_left_out((enum http_field_id)head->fields[i].id))
			continue;
		buf_add_str(out, http_field_name(head, &head->fields[i]));
		buf_add_str(out, STR(": "));
		buf_add_str(out, http_field_value(head, &head->fields[i]));
		buf_add_str(out, STR("\r\n"));
	}
	buf_add_str(out, STR("\r\n"));
}

static bool make_request(struct transaction *t, const struct transaction *served)
{
	const struct h1_limits limits =
		snapshot_request_limits(served->snapshot, served->exchange.port);
	struct h1_parser parser = {0};
	struct buf text;
	bool ok;

	buf_init(&text, HEAD_MAX_BYTES);
	write_request(transaction_request(served), &text);
	ok = !text.is_full &&
	     h1_parse_request(&parser, text.at, text.len, &limits, &t->exchange.request) == H1_DONE;
	if (ok)
		transaction_keep_head(t);
	buf_fini(&text);
	return ok;
}

static struct str keep(struct transaction *t, struct str text)
{
	return text.at ? arena_str(&t->arena, text) : STR_NONE;
}

static void copy_what_is_known(struct transaction *t, const struct transaction *served)
{
	t->exchange.ops = &background_ops;
	t->exchange.port = served->exchange.port;
	t->exchange.client = served->exchange.client;
	t->exchange.local = served->exchange.local;
	t->exchange.is_body_read = true;
	t->is_background = true;
	t->url = t->client_url = keep(t, served->url);
	t->cache_url = keep(t, served->cache_url);
	t->parts = t->client_parts = served->parts;
	t->user = keep(t, served->user);
	t->key = served->key;
	t->was_rewritten = served->was_rewritten;
	t->may_cache = true;
	t->object = object_ref(served->object);
	t->is_revalidation_due = (object_is_whole(served->object) || served->is_from_disk) &&
				 served->object->status == 200;
}

void background_refresh(const struct transaction *served)
{
	struct worker *worker = served->worker;
	_Atomic(uint32_t) *slot = claim(worker->server, served->key);
	struct background *background;
	struct transaction *t;

	if (!slot)
		return;
	t = transaction_create(worker, served->snapshot);
	background = mem_zalloc(sizeof(*background));
	*background = (struct background){.worker = worker, .transaction = t, .slot = slot};
	list_push_back(&worker->backgrounds, &background->node);
	copy_what_is_known(t, served);
	t->exchange.session = background;
	if (!make_request(t, served)) {
		end(background);
		return;
	}
	transaction_begin_fetch(t);
	if (transaction_has_reply(t))
		reply_ready(&t->exchange);
}

void background_stop_all(struct worker *worker)
{
	LIST_EACH_SAFE(node, &worker->backgrounds)
		end(CONTAINER(node, struct background, node));
}

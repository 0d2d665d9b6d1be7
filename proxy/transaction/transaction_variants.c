/* SPDX-License-Identifier: BSD-2-Clause */
/* What else is stored for the URL goes along to the origin, which may name one of them as its
 * answer: RFC 9111 §4.3.1. Those in memory first, then those that are on disk alone, a few in
 * all. */
#include "cache/index.h"
#include "cache/object.h"
#include "cache/revalidate.h"
#include "lib/base/check.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"

/* In the transaction's arena. */
struct transaction_variants {
	struct object *object[FETCH_MAX_VARIANTS]; /* a reference to each */
	unsigned n;
	struct disk_known known; /* need not be looked for on disk */
	unsigned ndisks_done;
	bool is_asking; /* the answer of the next one is awaited */
};

/* The client's, of which our own would make another question. */
static bool has_own_conditions(const struct http_request *request)
{
	const struct http_head *head = &request->head;

	return http_has(head, FIELD_IF_NONE_MATCH) || http_has(head, FIELD_IF_MODIFIED_SINCE) ||
	       http_has(head, FIELD_IF_MATCH) || http_has(head, FIELD_IF_UNMODIFIED_SINCE) ||
	       http_has(head, FIELD_RANGE);
}

static bool wants_variants(const struct transaction *t)
{
	const struct http_request *request = transaction_request(t);

	if (!t->may_cache || request->method != HTTP_GET)
		return false;
	if (t->is_revalidation_due)
		return t->object->vary.len > 0;
	return t->forward == FORWARD_VARY_MISS && !has_own_conditions(request);
}

static void note_known(struct transaction_variants *variants, const struct object *object)
{
	struct disk_known *known = &variants->known;
	uint64_t id = atomic_load_explicit(&object->disk_id, memory_order_relaxed);

	if (id != 0 && known->n < COUNT(known->id))
		known->id[known->n++] = id;
}

static bool has_vary(const struct transaction *t, const struct transaction_variants *variants,
		     struct str vary)
{
	for (unsigned i = 0; i < variants->n; i++)
		if (str_eq(variants->object[i]->vary, vary))
			return true;
	return t->is_revalidation_due && str_eq(t->object->vary, vary);
}

/* Takes the reference. */
static void add(struct transaction *t, struct transaction_variants *variants, struct object *object)
{
	note_known(variants, object);
	if (object->status == 200 && revalidate_has_etag(object) &&
	    variants->n < FETCH_MAX_VARIANTS && !has_vary(t, variants, object->vary))
		variants->object[variants->n++] = object;
	else
		object_unref(object);
}

static void begin(struct transaction *t)
{
	struct object *found[FETCH_MAX_VARIANTS];
	unsigned n;

	t->variants = arena_zalloc(&t->arena, sizeof(*t->variants));
	if (t->is_revalidation_due)
		note_known(t->variants, t->object);
	n = index_variants(t->worker->server->index, t->key, t->cache_url, found,
	                   FETCH_MAX_VARIANTS);
	for (unsigned i = 0; i < n; i++)
		add(t, t->variants, found[i]);
}

static void variant_came(struct disk_query *query, struct object *object)
{
	struct transaction *t = CONTAINER(query, struct transaction, disk);

	transaction_disk_answered(t);
	t->variants->is_asking = false;
	if (object)
		add(t, t->variants, object);
	else
		t->variants->ndisks_done++;
	transaction_resume(t);
}

/* The next one, of the disk whose turn it is. False: the answer is under way. */
static bool ask(struct transaction *t)
{
	struct transaction_variants *variants = t->variants;
	struct disk *disk = t->worker->server->disks[variants->ndisks_done];
	struct object *object = NULL;

	if (!disk_may_have(disk, t->key)) {
		variants->ndisks_done++;
		return true;
	}
	t->disk = (struct disk_query){
		.key = t->key,
		.url = t->cache_url,
		.head = &transaction_request(t)->head,
		.is_lazy = true,
		.known = &variants->known,
		.loop = t->worker->loop,
		.done = variant_came,
	};
	switch (disk_lookup_now(disk, &t->disk, &object)) {
	case DISK_NOW_FOUND:
		add(t, variants, object);
		return true;
	case DISK_NOW_MISS:
		variants->ndisks_done++;
		return true;
	case DISK_NOW_ASK:
		break;
	}
	variants->is_asking = true;
	transaction_ask_disk(t, disk);
	return false;
}

bool transaction_collect_variants(struct transaction *t)
{
	if (t->waiting & WAIT_DISK)
		return false;
	if (!t->variants) {
		if (!wants_variants(t))
			return true;
		begin(t);
	}
	if (t->variants->is_asking) /* for too long: the device hangs */
		return true;
	while (t->variants->n < FETCH_MAX_VARIANTS &&
	       t->variants->known.n < COUNT(t->variants->known.id) &&
	       t->variants->ndisks_done < t->worker->server->ndisks)
		if (!ask(t))
			return false;
	return true;
}

void transaction_order_variants(const struct transaction *t, struct fetch_order *order)
{
	if (!t->variants)
		return;
	order->nvariants = t->variants->n;
	for (unsigned i = 0; i < t->variants->n; i++)
		order->variants[i] = t->variants->object[i];
}

void transaction_drop_variants(struct transaction *t)
{
	while (t->variants && t->variants->n > 0)
		object_unref(t->variants->object[--t->variants->n]);
}

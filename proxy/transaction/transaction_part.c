/* SPDX-License-Identifier: BSD-2-Clause */
/* What is stored of a response that is not whole: it answers a range that lies within it, and
 * spares the origin the rest of any other. RFC 9111 §3.3, §3.4. */
#include "cache/index.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/range.h"
#include "cache/revalidate.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"

/* A client's conditions are about the whole: they are the origin's to judge. */
static bool has_condition(const struct http_head *head)
{
	return http_has(head, FIELD_IF_MATCH) || http_has(head, FIELD_IF_NONE_MATCH) ||
	       http_has(head, FIELD_IF_MODIFIED_SINCE) ||
	       http_has(head, FIELD_IF_UNMODIFIED_SINCE);
}

/* The bytes that are asked for, and the status of their answer. False: none (that is the origin's
 * to say), or several parts. */
static bool read_wish(const struct transaction *t, const struct partial *partial,
                      struct fetch_fill *wish)
{
	const struct http_request *request = transaction_request(t);
	struct range_plan plan = {.verdict = RANGE_WHOLE};

	*wish = (struct fetch_fill){.window = partial_all(partial), .status = 200};
	if (revalidate_range_holds(request, partial->about))
		range_plan(http_value(&request->head, FIELD_RANGE), partial->length, &plan);
	if (plan.verdict == RANGE_WHOLE)
		return true;
	if (plan.verdict == RANGE_UNSATISFIABLE || plan.npieces != 1)
		return false;
	wish->window = (struct partial_span){plan.pieces[0].first, plan.pieces[0].len};
	wish->status = 206;
	return true;
}

static void take(struct transaction *t, const struct partial *partial,
                 const struct fetch_fill *wish)
{
	uint64_t offset;

	t->object = partial_object(partial, wish->status, &wish->window, &offset);
	if (wish->status == 206)
		t->part = (struct transaction_part){wish->window, offset, partial->length};
}

/* Not all of it is there. Where a range is to fetch the whole, it completes it. */
static void plan_fill(struct transaction *t, struct partial *partial, struct fetch_fill *wish)
{
	if (!revalidate_strong_validator(partial->about).at)
		return;
	if (wish->status == 206 && transaction_withholds_range(t)) {
		wish->window = partial_all(partial);
		wish->status = 200;
	}
	if (partial_missing(partial, &wish->window, &wish->missing)) {
		wish->partial = partial_ref(partial);
		t->fill = *wish;
	}
}

bool transaction_find_part(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	struct server *server = t->worker->server;
	struct fetch_fill wish;
	struct partial *partial;
	bool is_all = false;

	if (request->method != HTTP_GET || partial_table_is_empty(server->parts) ||
	    has_condition(&request->head))
		return false;
	partial = partial_table_find(server->parts, t->key, t->cache_url, &request->head,
	                             index_removals(server->index, t->key));
	if (partial && purge_list_hits(server->purges, partial->about->since, t->cache_url,
	                               partial->about->head)) {
		partial_table_forget(server->parts, t->key, t->cache_url);
		partial_unref(partial);
		partial = NULL;
	}
	if (partial && read_wish(t, partial, &wish)) {
		is_all = !partial_missing(partial, &wish.window, &wish.missing);
		if (is_all)
			take(t, partial, &wish);
		else
			plan_fill(t, partial, &wish);
	}
	partial_unref(partial);
	return is_all;
}

void transaction_drop_part(struct transaction *t)
{
	t->part = (struct transaction_part){0};
	partial_unref(t->fill.partial);
	t->fill.partial = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What an origin's answer says of responses that are stored already: a 304 to our conditions, a 200
 * to HEAD. */
#include "cache/coding.h"
#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "cache/purge.h"
#include "cache/revalidate.h"
#include "cache/vary.h"
#include "lib/base/buf.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/fetch_store.h"
#include "proxy/fetch/fetch_store_internal.h"
#include "proxy/server.h"
#include "proxy/session/exchange.h"
#include "proxy/store/disks.h"
#include "proxy/store/stale_mark.h"
#include "proxy/worker.h"

/* ---- what confirms a stored one */

/* old with the fields of what confirmed it, in its place in memory and on disk; NULL: it speaks of
 * another representation. */
static struct object *renew(const struct fetch_order *order, struct object *old,
			    const struct http_response *not_modified, int64_t request_time_s)
{
	const struct control_reader reader = fetch_store_reader(order);
	const struct freshness_arrival arrival = {not_modified, &reader, request_time_s,
						  worker_now_s(order->worker)};
	struct server *server = order->worker->server;
	struct object *renewed;
	struct object_head head = {
		.status = old->status,
		.url = old->url,
		.vary = old->vary,
		.body_bytes = old->body_bytes,
		.decision = old->decision,
	};
	struct buf lines;

	buf_init(&lines, FETCH_MAX_HEAD_BYTES);
	switch (revalidate_merge(old, &arrival, &lines, &head.facts)) {
	case REVALIDATE_MISMATCH:
		buf_fini(&lines);
		return NULL;
	case REVALIDATE_IGNORED:
		buf_fini(&lines);
		return object_ref(old);
	case REVALIDATE_MERGED:
		break;
	}
	head.head = buf_str(&lines);
	head.since = order->since;
	/* A body that is not all here comes from disk, or the head is renewed where it lies. */
	renewed = object_is_whole(old) || old->disk_id != 0 ? object_create_renewed(old, &head)
							    : object_create_whole(&head, STR(""));
	renewed->disk_id = old->disk_id;
	coding_carry(old, renewed);
	buf_fini(&lines);
	if (order->key == 0)
		return renewed;
	if (object_is_whole(old))
		index_insert(server->index, order->key, renewed);
	switch (fetch_purges_since(order, renewed->head)) {
	case PURGE_REMOVES:
		index_remove(server->index, renewed);
		break;
	case PURGE_MARKS: /* on disk it is marked */
		if (object_is_whole(renewed))
			object_unref(stale_mark(server, renewed));
		break;
	case PURGE_MISSES:
		if (disks_of(server, renewed->disk_id))
			disk_update_head(disks_of(server, renewed->disk_id), renewed->disk_id,
					 renewed);
		break;
	}
	return renewed;
}

/* ---- which one a 304 speaks of: RFC 9111 §4.3.4 */

static struct object *find_meant(const struct fetch_order *order,
				 const struct http_response *not_modified)
{
	bool names_none = !http_has(&not_modified->head, FIELD_ETAG);

	if (order->stored &&
	    (order->nvariants == 0 || revalidate_is_meant(order->stored, not_modified)))
		return order->stored;
	/* An origin ought to name it (RFC 9110 §15.4.5); if only one was asked about, it is
	 * that. */
	if (!order->stored && order->nvariants == 1 && names_none)
		return order->variants[0];
	for (unsigned i = 0; i < order->nvariants; i++)
		if (revalidate_is_meant(order->variants[i], not_modified))
			return order->variants[i];
	return NULL;
}

/* A variant that the origin chose for this request as well: stored for it too. NULL: it cannot
 * be. */
static struct object *store_again(const struct fetch_order *order, struct object *variant)
{
	struct server *server = order->worker->server;
	struct object_head head = {
		.status = variant->status,
		.head = variant->head,
		.url = variant->url,
		.body_bytes = variant->body_bytes,
		.facts = variant->facts,
		.decision = variant->decision,
		.since = order->since,
	};
	struct object *again;
	struct buf vary;

	buf_init(&vary, VARY_MAX_BYTES * 2);
	if (!vary_record_again(variant->vary, &order->exchange->request.head, &vary)) {
		buf_fini(&vary);
		return NULL;
	}
	head.vary = buf_str(&vary);
	again = object_create_renewed(variant, &head);
	coding_carry(variant, again);
	buf_fini(&vary);
	index_insert(server->index, order->key, again);
	if (!object_is_whole(again)) /* who stores it may be ahead of who waits for it */
		object_reader_open(order->hold, again, 0, order->worker->loop, NULL, NULL);
	fetch_store_whole(order->worker, again, order->key, order->removals);
	return again;
}

struct object *fetch_renew_meant(const struct fetch_order *order,
                                 const struct http_response *not_modified, int64_t request_time_s)
{
	struct object *meant = find_meant(order, not_modified);
	struct object *renewed, *again;

	if (!meant)
		return NULL;
	renewed = renew(order, meant, not_modified, request_time_s);
	for (unsigned i = 0; renewed && i < order->nvariants; i++)
		if (order->variants[i] != meant &&
		    revalidate_is_meant(order->variants[i], not_modified))
			object_unref(
				renew(order, order->variants[i], not_modified, request_time_s));
	if (!renewed || vary_matches(meant->vary, &order->exchange->request.head))
		return renewed;
	again = store_again(order, renewed);
	object_unref(renewed);
	return again;
}

/* ---- what HEAD tells */

static struct object *find_known(const struct fetch_order *order)
{
	struct object *known = order->stored ? order->stored : order->known;

	return known ? object_ref(known)
		     : index_find(order->worker->server->index, order->key, order->cache_url,
				  &order->exchange->request.head);
}

bool fetch_outlives_head(const struct fetch_order *order, const struct http_response *response,
			 int64_t request_time_s)
{
	struct object *old, *renewed = NULL;
	bool is_comparable;

	if (order->exchange->request.method != HTTP_HEAD || response->status != 200)
		return false;
	old = find_known(order);
	is_comparable = old && (object_is_whole(old) || old->disk_id != 0);
	if (is_comparable && revalidate_head_matches(old, response))
		renewed = renew(order, old, response, request_time_s);
	object_unref(renewed);
	object_unref(old);
	return renewed || !is_comparable;
}

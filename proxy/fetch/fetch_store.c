/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/fetch_store.h"

#include "cache/coding.h"
#include "cache/disk.h"
#include "cache/index.h"
#include "cache/invalidate.h"
#include "cache/key.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/revalidate.h"
#include "cache/storable.h"
#include "cache/tags.h"
#include "cache/targeted_control.h"
#include "cache/vary.h"
#include "lib/base/buf.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/peer_sticky.h"
#include "proxy/log/store_log.h"
#include "proxy/server.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/store/disks.h"
#include "proxy/transaction/refresh_values.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

enum { HEAD_MAX_BYTES = 1 << 20 };

struct control_reader fetch_store_reader(const struct fetch_order *order)
{
	const struct config *config = snapshot_config(order->snapshot);

	return (struct control_reader){
		.surrogate_id = str_of(config->surrogate_id),
		.is_remote_surrogate = config->surrogate_remote,
		.keeps_cookies = config->replay_set_cookie,
		.ignores_vary_expires = config->vary_ignore_expire,
	};
}

/* ---- the head that readers see */

/* Which of its lines a field belongs to: shared by all readers, for the first one only, or neither.
 */
static struct buf *line_of(const struct http_response *response, const struct http_field *field,
                           const struct control_reader *reader, bool is_stored,
                           bool has_surrogate, struct buf *head, struct buf *once)
{
	switch (field->id) {
	case FIELD_CONTENT_LENGTH: /* the reply writes what it sends */
	case FIELD_AGE:
	case FIELD_VIA: /* comes last */
		return NULL;
	case FIELD_SURROGATE_CONTROL: /* for a surrogate before us, if there is one */
		return has_surrogate ? once : NULL;
	case FIELD_CONTENT_RANGE: /* of this part: stored, it may become another */
		return once;
	case FIELD_SET_COOKIE:
	case FIELD_SET_COOKIE2:
		return is_stored && storable_keeps_field(&response->head, field, reader) ? head
		                                                                         : once;
	default:
		break;
	}
	if (http_is_hop_by_hop(&response->head, field))
		return NULL;
	return is_stored && !storable_keeps_field(&response->head, field, reader) ? once : head;
}

/* A field that a reply made here has, and one that only passes through keeps as it came. */
static void add_field(struct buf *out, const struct http_response *response, enum http_field_id id)
{
	struct str value = http_value(&response->head, id);

	if (!value.at)
		return;
	buf_add_str(out, http_field_id_name(id));
	buf_add_str(out, STR(": "));
	buf_add_str(out, value);
	buf_add_str(out, STR("\r\n"));
}

/* The last line, so that a reply can go on in it. */
static void add_via(struct buf *out, const struct http_head *from)
{
	const struct http_field *field = NULL;

	while ((field = http_find_next(from, FIELD_VIA, field)) != NULL) {
		buf_add_str(out, field == http_find(from, FIELD_VIA) ? STR("Via: ") : STR(", "));
		buf_add_str(out, http_field_value(from, field));
	}
	if (http_has(from, FIELD_VIA))
		buf_add_str(out, STR("\r\n"));
}

static void write_heads(const struct fetch_order *order, const struct http_response *response,
                        const struct peer *sticks_to, bool is_stored, struct buf *head,
                        struct buf *once)
{
	const struct control_reader reader = fetch_store_reader(order);
	const struct http_head *from = &response->head;
	bool has_surrogate =
		http_has(&order->exchange->request.head, FIELD_SURROGATE_CAPABILITY);

	buf_add_str(head, STR("HTTP/1.1 "));
	buf_add_u64(head, (uint64_t)response->status);
	buf_add_char(head, ' ');
	buf_add_str(head, str_of(http_reason(response->status)));
	buf_add_str(head, STR("\r\n"));
	for (unsigned i = 0; i < from->nfields; i++) {
		struct buf *line = line_of(response, &from->fields[i], &reader, is_stored, has_surrogate,
		                           head, once);

		if (!line || (order->fill.partial && from->fields[i].id == FIELD_CONTENT_RANGE))
			continue;
		buf_add_str(line, http_field_name(from, &from->fields[i]));
		buf_add_str(line, STR(": "));
		buf_add_str(line, http_field_value(from, &from->fields[i]));
		buf_add_str(line, STR("\r\n"));
	}
	if (sticks_to && sticks_to->sticky.at &&
	    !peer_sticky_has(sticks_to, &order->exchange->request.head))
		peer_sticky_add(sticks_to, order->parts->is_https, once);
	if (!http_has(from, FIELD_DATE)) {
		buf_add_str(head, STR("Date: "));
		buf_add_str(head, worker_date(order->worker));
		buf_add_str(head, STR("\r\n"));
	}
	add_via(head, from);
}

/* ---- may it be stored, and where */

/* A fast list; its facts hold the answer for as long as it is asked. */
static bool may_store_miss(const struct fetch_order *order, const struct http_response *response)
{
	const struct access_list *list = snapshot_config(order->snapshot)->store_miss;
	struct acl_facts facts;

	if (!list)
		return true;
	facts = *order->facts;
	facts.is_fast = true;
	facts.reply = response;
	facts.status = response->status;
	return access_list_allows(list, true, &facts);
}

static enum storable_verdict decide(const struct fetch_order *order,
                                    const struct http_response *response,
                                    struct freshness_facts *facts, struct fetch_report *report)
{
	const struct config *config = snapshot_config(order->snapshot);
	const struct control_reader reader = fetch_store_reader(order);
	struct refresh_rule_values rule;
	struct storable_policy policy = {
		.rule = &rule,
		.reader = &reader,
		.names_target = order->exchange->request.method == HTTP_POST &&
				invalidate_is_own_location(order->url, response),
		.minimum_expiry_s = config->minimum_expiry_time_ms / 1000,
		.negative_ttl_s = config->negative_ttl_ms / 1000,
		.min_body_bytes = (uint64_t)config->minimum_object_size_bytes,
		.max_body_bytes = order->snapshot->max_stored_bytes,
		.ignore_cc = order->exchange->port->is_ignore_cc,
		.takes_parts = true,
	};
	enum storable_verdict verdict;

	if (!order->may_store || order->key == 0) {
		report->storable_reason = "the request may not be stored";
		return STORABLE_NO;
	}
	if (report->peer && report->peer->is_proxy_only) {
		report->storable_reason = "the peer is proxy-only";
		return STORABLE_NO;
	}
	refresh_values_for(order->snapshot, order->cache_url, &rule);
	if (!may_store_miss(order, response)) {
		report->storable_reason = "store_miss forbids it";
		return STORABLE_NO;
	}
	verdict = storable_decide(&order->exchange->request, response, facts, &policy,
	                          &report->storable_reason);
	if (verdict == STORABLE_NEGATIVE)
		storable_make_negative(facts, policy.negative_ttl_s);
	return verdict;
}

static int64_t body_bytes_of(const struct http_response *response)
{
	switch (response->body) {
	case HTTP_BODY_NONE:
		return 0;
	case HTTP_BODY_LENGTH:
		return (int64_t)response->content_length;
	default:
		return -1;
	}
}

/* What cannot be purged by its tags would stay for too long. */
static bool has_sound_tags(struct str head)
{
	struct buf tags;
	bool is_sound;

	buf_init(&tags, TAGS_MAX_BYTES);
	is_sound = tags_read(head, &tags);
	buf_fini(&tags);
	return is_sound;
}

/* A purge or the like after the request left: its answer may be of before. */
static bool is_out_of_date(const struct fetch_order *order, struct str head)
{
	struct server *server = order->worker->server;

	return index_removals(server->index, order->key) != order->removals ||
	       purge_list_hits(server->purges, order->since, order->cache_url, head);
}

/* What shares its processor with the writer would outrun it, and drop what there is time for. */
static void mind_pressure(struct worker *worker, struct disk *disk)
{
	worker->ways = disk_pressure(disk);
	if (worker->ways > 0)
		loop_defer(worker->loop, &worker->way_task);
}

/* To the disk, if there is one. The look afterwards: a purge either marks the store that it finds on its
 * way, or was counted before this; one by pattern stands on the list before it walks through the disk. */
static bool hand_to_disk(struct worker *worker, struct object *object, uint64_t key, unsigned removals)
{
	struct server *server = worker->server;
	struct disk *disk = disks_store(server, object, key);

	if (!disk)
		return false;
	mind_pressure(worker, disk);
	if (index_removals(server->index, key) == removals &&
	    !purge_list_hits(server->purges, object->since, object->url, object->head))
		return true;
	disk_remove_all(disk, key);
	return false;
}

static bool store_on_disk(const struct fetch_storing *storing, struct object *object)
{
	return hand_to_disk(storing->worker, object, storing->key, storing->removals);
}

/* ---- what confirms a stored one */

/* old with the fields of what confirmed it, in its place in memory and on disk; NULL: it speaks of another
 * representation. */
static struct object *renew(const struct fetch_order *order, struct object *old,
			    const struct http_response *not_modified, int64_t request_time_s)
{
	const struct control_reader reader = fetch_store_reader(order);
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

	buf_init(&lines, HEAD_MAX_BYTES);
	switch (revalidate_merge(old, not_modified, &reader, request_time_s,
	                         worker_now_s(order->worker), &lines, &head.facts)) {
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
	if (is_out_of_date(order, renewed->head)) {
		index_remove(server->index, renewed);
		return renewed;
	}
	if (disks_of(server, renewed->disk_id))
		disk_update_head(disks_of(server, renewed->disk_id), renewed->disk_id, renewed);
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
	/* An origin ought to name it (RFC 9110 §15.4.5); if only one was asked about, it is that. */
	if (!order->stored && order->nvariants == 1 && names_none)
		return order->variants[0];
	for (unsigned i = 0; i < order->nvariants; i++)
		if (revalidate_is_meant(order->variants[i], not_modified))
			return order->variants[i];
	return NULL;
}

/* A variant that the origin chose for this request as well: stored for it too. NULL: it cannot be. */
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
	if (is_out_of_date(order, again->head))
		index_remove(server->index, again);
	else
		hand_to_disk(order->worker, again, order->key, order->removals);
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
			object_unref(renew(order, order->variants[i], not_modified, request_time_s));
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

/* RFC 9111 §4.3.5: what a 200 to HEAD says about the stored answer to GET. True: that may stay. */
static bool outlives_head(const struct fetch_order *order, const struct http_response *response,
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

/* An answer that is not stored may still push out what was (Squid's list of statuses). */
static void displace(const struct fetch_order *order, const struct http_response *response)
{
	struct server *server = order->worker->server;

	if (order->key == 0 || !order->may_store ||
	    !cache_key_is_method_served(order->exchange->request.method) ||
	    !storable_status_displaces(response->status))
		return;
	/* A removal makes void what is on its way, of some other URLs as well: not for nothing. */
	if (index_has_url(server->index, order->key, order->cache_url))
		index_remove_all(server->index, order->key, order->cache_url);
	if (disks_may_have(server, order->key))
		disks_remove_all(server, order->key);
}

static void remove_all(struct server *server, uint64_t key, struct str url)
{
	index_remove_all(server->index, key, url);
	disks_remove_all(server, key);
}

/* RFC 9111 §4.4: what a successful unsafe request makes out of date. */
static void invalidate(const struct fetch_order *order, const struct http_response *response)
{
	struct server *server = order->worker->server;
	struct buf urls;
	struct str rest, url;

	if (!invalidate_is_due(order->exchange->request.method, response->status))
		return;
	buf_init(&urls, INVALIDATE_MAX_URLS * INVALIDATE_MAX_URL_BYTES);
	invalidate_urls(order->url, response, &urls);
	if (order->key != 0 && !str_eq(order->cache_url, order->url)) /* by its store id */
		remove_all(server, order->key, order->cache_url);
	rest = buf_str(&urls);
	while (str_split(&rest, '\n', &url)) {
		if (url.len > 0)
			remove_all(server, index_key(server->index, url), url);
	}
	buf_fini(&urls);
}

void fetch_store_note_removals(struct fetch_order *order)
{
	order->removals = index_removals(order->worker->server->index, order->key);
	order->since = purge_list_now(order->worker->server->purges);
}

static void put_where_others_find_it(struct fetch_storing *storing, const struct fetch_order *order,
                                     struct object *object, const struct object_head *head)
{
	const struct config *config = snapshot_config(order->snapshot);
	struct server *server = order->worker->server;

	storing->is_counted = head->body_bytes < 0;
	storing->is_kept = head->body_bytes <= config->maximum_object_size_in_memory_bytes;
	if (storing->is_kept)
		storing->is_kept =
			index_insert_inflight(server->index, order->key, order->cache_url, object);
	if (is_out_of_date(order, head->head)) {
		fetch_store_forget(storing, object);
		return;
	}
	if (!storing->is_kept && server->ndisks == 0)
		return;
	storing->key = order->key;
	storing->removals = order->removals;
	if (storing->is_kept)
		object_keep(object, true);
}

/* What an unsafe request makes void goes first, unless its own answer takes the place. */
static void place(struct fetch_storing *storing, const struct fetch_order *order,
                  const struct http_response *response, struct object *object,
                  const struct object_head *head)
{
	struct fetch_order as_of_now = *order;

	if (is_out_of_date(order, head->head))
		return;
	if (invalidate_is_due(order->exchange->request.method, response->status)) {
		invalidate(order, response);
		fetch_store_note_removals(&as_of_now);
		as_of_now.since = order->since;
	}
	put_where_others_find_it(storing, &as_of_now, object, head);
}

/* False: it is not stored. */
static bool place_part(struct fetch_storing *storing, const struct fetch_order *order,
                       const struct http_response *response, struct fetch_report *report,
                       const struct object_head *head, struct object *object)
{
	if (is_out_of_date(order, head->head) ||
	    !fetch_part_begin(&storing->part, order, response, report, head)) {
		report->storable_reason = "a part that cannot be stored";
		return false;
	}
	object_keep(object, true);
	return true;
}

void fetch_store_begin(struct fetch_storing *storing, const struct fetch_order *order,
                       const struct http_response *response, struct object *object,
                       struct fetch_report *report)
{
	int64_t response_time_s = report->answered_us / 1000000;
	struct object_head head = {.status = response->status,
	                           .body_bytes = body_bytes_of(response)};
	const struct control_reader reader = fetch_store_reader(order);
	struct buf lines, once, vary;
	bool is_stored;

	storing->worker = order->worker;
	freshness_facts_read(response, &reader, report->started_us / 1000000, response_time_s,
	                     &head.facts);
	buf_init(&lines, HEAD_MAX_BYTES);
	buf_init(&once, HEAD_MAX_BYTES);
	buf_init(&vary, VARY_MAX_BYTES);
	is_stored = decide(order, response, &head.facts, report) != STORABLE_NO;
	if (is_stored && !vary_record(response, &order->exchange->request.head, &vary)) {
		is_stored = false;
		report->storable_reason = "its Vary cannot be kept";
	}
	write_heads(order, response, report->peer, is_stored, &lines, &once);
	if (is_stored && !has_sound_tags(buf_str(&lines))) {
		is_stored = false;
		report->storable_reason = "its tags cannot be kept";
	}
	if (order->exchange->request.method == HTTP_HEAD)
		add_field(&once, response, FIELD_CONTENT_LENGTH);
	add_field(&once, response, FIELD_AGE);
	head.head = buf_str(&lines);
	head.url = order->cache_url;
	head.vary = buf_str(&vary);
	head.since = order->since;
	if (order->fill.partial)
		fetch_part_merge(order, response, report, &head, &lines, &once);
	head.head_once = buf_str(&once);
	if (is_stored && head.status == 206)
		is_stored = place_part(storing, order, response, report, &head, object);
	else if (is_stored)
		place(storing, order, response, object, &head);
	else if (!outlives_head(order, response, report->started_us / 1000000))
		displace(order, response);
	report->is_storable = is_stored;
	if (is_stored)
		head.decision = str_of(report->storable_reason);
	if (!is_stored)
		invalidate(order, response);
	object_set_head(object, &head);
	if (storing->key != 0 && !storing->is_kept)
		storing->is_on_disk = store_on_disk(storing, object);
	buf_fini(&lines);
	buf_fini(&once);
	buf_fini(&vary);
}

/* ---- as it grows, and its end */

static uint64_t length_of(const struct object *object)
{
	return atomic_load_explicit(&object->length_, memory_order_relaxed); /* our own store */
}

void fetch_store_grew(struct fetch_storing *storing, const struct fetch_order *order,
                      struct object *object)
{
	const struct config *config = snapshot_config(order->snapshot);
	struct server *server = storing->worker->server;

	if (storing->part.about && length_of(object) > storing->part.span.len)
		fetch_store_forget(storing, object);
	if (!storing->is_counted || !storing->is_kept)
		return;
	if (length_of(object) <= (uint64_t)config->maximum_object_size_in_memory_bytes)
		return;
	/* Not there any more: removed meanwhile, so that it is not for the disk either. */
	storing->is_on_disk =
		index_remove(server->index, object) && store_on_disk(storing, object);
	object_keep(object, false);
	storing->is_kept = false;
}

/* Into memory; what all of it is too small for (cache_mem 0) is for the disk alone. False: it was removed
 * meanwhile (a purge), or is not whole: what it holds is not for the disk either. */
static bool index_whole(struct index *index, const struct fetch_order *order, uint64_t key,
			struct object *object)
{
	uint64_t max_bytes = (uint64_t)snapshot_config(order->snapshot)->cache_mem_bytes;

	if (object_is_whole(object) && object_memory_bytes(object) > max_bytes)
		return index_remove(index, object);
	return index_insert(index, key, object);
}

void fetch_store_finish(struct fetch_storing *storing, const struct fetch_order *order,
                        struct object *object)
{
	struct server *server = storing->worker->server;

	if (order->fill.partial)
		fetch_part_append_behind(&order->fill, object);
	object_finish(object);
	if (storing->part.about)
		fetch_part_finish(&storing->part, order, object);
	if (server->store_log && !storing->is_kept && !storing->is_on_disk && !storing->part.about)
		store_log_released(server->store_log, object);
	if (storing->is_kept || storing->is_on_disk)
		partial_table_forget(server->parts, storing->key, object->url);
	if (!storing->is_kept)
		return;
	if (index_whole(server->index, order, storing->key, object))
		store_on_disk(storing, object);
}

void fetch_store_forget(struct fetch_storing *storing, struct object *object)
{
	struct server *server = storing->worker->server;

	if (storing->is_kept)
		index_remove(server->index, object);
	if (storing->is_on_disk)
		disks_remove_all(server, storing->key);
	storing->is_kept = storing->is_on_disk = false;
	if (storing->part.about)
		object_keep(object, false);
	fetch_part_drop(&storing->part);
}

void fetch_store_abort(struct fetch_storing *storing, const struct fetch_order *order,
                       struct object *object, int error)
{
	if (storing->is_kept)
		index_remove(storing->worker->server->index, object);
	if (storing->is_kept || storing->part.about)
		fetch_part_salvage(&storing->part, order, object);
	object_abort(object, error);
	fetch_part_drop(&storing->part);
}

bool fetch_store_goes_on(const struct fetch_storing *storing, const struct fetch_order *order,
                         struct object *object)
{
	const struct config *config = snapshot_config(order->snapshot);
	int64_t have = (int64_t)length_of(object), left = object->body_bytes - have;

	if (!storing->is_kept && !storing->is_on_disk && !storing->part.about)
		return false;
	if (config->quick_abort_min_bytes < 0)
		return true;
	if (object->body_bytes < 0)
		return false;
	if (left < config->quick_abort_min_bytes)
		return true;
	if (left > config->quick_abort_max_bytes)
		return false;
	return have * 100 > object->body_bytes * config->quick_abort_percent;
}

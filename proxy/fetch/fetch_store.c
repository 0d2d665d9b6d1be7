/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/fetch_store.h"

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/invalidate.h"
#include "cache/key.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/storable.h"
#include "cache/tags.h"
#include "cache/targeted_control.h"
#include "cache/vary.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "proxy/fetch/fetch.h"
#include "proxy/fetch/fetch_store_internal.h"
#include "proxy/log/store_log.h"
#include "proxy/server.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/store/disks.h"
#include "proxy/store/lingering.h"
#include "proxy/store/stale_mark.h"
#include "proxy/transaction/refresh_values.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"

enum { KEPT_HEAD_BYTES = 16384 }; /* of the worker's scratch */

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

/* As fetch_head.c adds it: for a user of the site, so the same rule counts as for what clients
 * send. */
static bool has_made_login(const struct fetch_order *order, const struct peer *peer)
{
	if (!peer || !peer->is_originserver)
		return false;
	switch (peer->login) {
	case PEER_LOGIN_FIXED:
	case PEER_LOGIN_USER:
		return true;
	case PEER_LOGIN_PASS:
		return order->external_user.len > 0 && order->external_password.len > 0;
	case PEER_LOGIN_PROXYPASS:
		return http_has(&order->exchange->request.head, FIELD_PROXY_AUTHORIZATION);
	case PEER_LOGIN_NONE:
	case PEER_LOGIN_PASSTHRU:
	case PEER_LOGIN_NEGOTIATE:
		break;
	}
	return false;
}

/* What is but too large for every store may be shared while it comes: *is_passing. */
static enum storable_verdict decide(const struct fetch_order *order,
                                    const struct http_response *response,
                                    struct freshness_facts *facts, uint32_t control,
                                    struct fetch_report *report, bool *is_passing)
{
	const struct config *config = snapshot_config(order->snapshot);
	struct refresh_rule_values rule;
	struct storable_policy policy = {
		.rule = &rule,
		.control = control,
		.names_target = order->exchange->request.method == HTTP_POST &&
				invalidate_is_own_location(order->url, response),
		.minimum_expiry_s = config->minimum_expiry_time_ms / 1000,
		.negative_ttl_s = config->negative_ttl_ms / 1000,
		.min_body_bytes = (uint64_t)config->minimum_object_size_bytes,
		.max_body_bytes = order->snapshot->max_stored_bytes,
		.has_login = has_made_login(order, report->peer),
		.is_offline = config->offline_mode,
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
	if (verdict == STORABLE_NO && policy.max_body_bytes > 0 && response->status != 206 &&
	    response->content_length > policy.max_body_bytes) {
		const char *reason;

		policy.max_body_bytes = 0;
		verdict = storable_decide(&order->exchange->request, response, facts, &policy,
					  &reason);
		*is_passing = verdict != STORABLE_NO;
	}
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

enum purge_effect fetch_purges_since(const struct fetch_order *order, struct str head)
{
	struct server *server = order->worker->server;

	if (index_removals(server->index, order->key) != order->removals)
		return PURGE_REMOVES;
	return purge_list_effect(server->purges, order->since, order->cache_url, head);
}

static bool is_out_of_date(const struct fetch_order *order, struct str head)
{
	return fetch_purges_since(order, head) == PURGE_REMOVES;
}

/* One that a soft purge means while it is on its way is stored, and stale. */
static void mark_if_purged(const struct fetch_order *order, struct object_head *head)
{
	uint64_t now = purge_list_now(order->worker->server->purges);

	if (fetch_purges_since(order, head->head) != PURGE_MARKS)
		return;
	freshness_mark_stale(&head->facts, clock_wall_s());
	head->since = now;
}

/* What shares its processor with the writer would outrun it, and drop what there is time for. */
static void mind_pressure(struct worker *worker, struct disk *disk)
{
	worker->ways = disk_pressure(disk);
	if (worker->ways > 0)
		loop_defer(worker->loop, &worker->way_task);
}

/* To the disk, if there is one. The look afterwards: a purge either marks the store that it finds
 * on its way, or was counted before this; one by pattern stands on the list before it walks through
 * the disk. */
static bool hand_to_disk(struct worker *worker, struct object *object, uint64_t key,
                         unsigned removals)
{
	struct server *server = worker->server;
	struct disk *disk = disks_store(server, object, key);

	if (!disk)
		return false;
	mind_pressure(worker, disk);
	if (index_removals(server->index, key) == removals &&
	    purge_list_effect(server->purges, object->since, object->url, object->head) !=
		    PURGE_REMOVES)
		return true;
	disk_remove_all(disk, key);
	return false;
}

static bool store_on_disk(const struct fetch_storing *storing, struct object *object)
{
	return hand_to_disk(storing->worker, object, storing->key, storing->removals);
}

void fetch_store_whole(struct worker *worker, struct object *object, uint64_t key,
                       unsigned removals)
{
	struct server *server = worker->server;
	struct object *stale;

	if (index_removals(server->index, key) != removals) {
		index_remove(server->index, object);
		return;
	}
	switch (purge_list_effect(server->purges, object->since, object->url, object->head)) {
	case PURGE_REMOVES:
		index_remove(server->index, object);
		break;
	case PURGE_MARKS:
		stale = stale_mark(server, object);
		hand_to_disk(worker, stale, key, removals);
		object_unref(stale);
		break;
	case PURGE_MISSES:
		hand_to_disk(worker, object, key, removals);
		break;
	}
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

/* What is stored gives way to an answer that is not, but leaves others alone that are on their
 * way. */
static void displace_stored(const struct fetch_order *order)
{
	struct server *server = order->worker->server;
	struct object *stored[INDEX_MAX_VARIANTS];
	unsigned n =
		index_variants(server->index, order->key, order->cache_url, stored, COUNT(stored));

	for (unsigned i = 0; i < n; i++) {
		index_remove(server->index, stored[i]);
		object_unref(stored[i]);
	}
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
	bool is_small = head->body_bytes <= config->maximum_object_size_in_memory_bytes;
	bool is_wanted = storing->is_awaited;

	if (!is_small && !is_wanted)
		is_wanted = index_has_inflight(server->index, order->key, order->cache_url);
	storing->is_counted = head->body_bytes < 0;
	storing->is_shared =
		index_insert_inflight(server->index, order->key, order->cache_url, object);
	storing->is_kept = is_small && storing->is_shared;
	if (is_out_of_date(order, head->head)) {
		fetch_store_forget(storing, object);
		return;
	}
	storing->key = order->key;
	storing->removals = order->removals;
	if (storing->is_shared)
		object_offer_spool(object, server->spools);
	if (storing->is_kept)
		object_keep(object, true);
	if (storing->is_shared && is_wanted)
		object_join(object);
}

/* What an unsafe request makes void goes first, unless its own answer takes the place. */
static void place(struct fetch_storing *storing, const struct fetch_order *order,
                  const struct http_response *response, struct object *object,
                  const struct object_head *head, bool is_passing)
{
	struct fetch_order as_of_now = *order;

	if (is_out_of_date(order, head->head))
		return;
	if (is_passing)
		displace_stored(order);
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

void fetch_store_begin(struct fetch_storing *storing, const struct fetch_order *order,
                       const struct http_response *response, struct object *object,
                       struct fetch_report *report)
{
	struct object_head head = {.status = response->status,
	                           .body_bytes = body_bytes_of(response)};
	const struct control_reader reader = fetch_store_reader(order);
	const struct freshness_arrival arrival = {response, &reader, report->started_us / 1000000,
						  report->answered_us / 1000000};
	struct buf *lines = &order->worker->head_scratch, once, vary;
	bool is_stored, is_passing = false;
	uint32_t control = freshness_facts_read(&arrival, &head.facts);

	storing->worker = order->worker;
	buf_init(&once, FETCH_MAX_HEAD_BYTES);
	buf_init(&vary, VARY_MAX_BYTES);
	is_stored = decide(order, response, &head.facts, control, report, &is_passing) !=
		    STORABLE_NO;
	if (is_stored && !vary_record(response, &order->exchange->request.head, &vary)) {
		is_stored = false;
		report->storable_reason = "its Vary cannot be kept";
	}
	fetch_write_heads(order, response, report->peer, is_stored, lines, &once);
	if (is_stored && !has_sound_tags(buf_str(lines))) {
		is_stored = false;
		report->storable_reason = "its tags cannot be kept";
	}
	if (order->exchange->request.method == HTTP_HEAD)
		add_field(&once, response, FIELD_CONTENT_LENGTH);
	add_field(&once, response, FIELD_AGE);
	head.head = buf_str(lines);
	head.url = order->cache_url;
	head.vary = buf_str(&vary);
	head.since = order->since;
	if (order->fill.partial)
		fetch_part_merge(order, response, report, &head, lines, &once);
	head.head_once = buf_str(&once);
	if (is_stored)
		mark_if_purged(order, &head);
	if (is_stored && head.status == 206)
		is_stored = place_part(storing, order, response, report, &head, object);
	else if (is_stored)
		place(storing, order, response, object, &head, is_passing);
	else if (!fetch_outlives_head(order, response, report->started_us / 1000000))
		displace(order, response);
	report->is_storable = is_stored && !is_passing;
	if (is_stored)
		head.decision = str_of(report->storable_reason);
	if (!is_stored)
		invalidate(order, response);
	object_set_head(object, &head);
	if (storing->key != 0 && !storing->is_kept && !is_passing)
		storing->is_on_disk = store_on_disk(storing, object);
	buf_shrink(lines, KEPT_HEAD_BYTES);
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
		index_holds(server->index, object) && store_on_disk(storing, object);
	object_keep(object, false);
	storing->is_kept = false;
}

/* Into memory; what all of it is too small for (cache_mem 0) is for the disk alone. False: it was
 * removed meanwhile (a purge), or is not whole: what it holds is not for the disk either. */
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
	if (!storing->is_kept) {
		if (storing->is_shared)
			lingering_begin(server, object);
		if (storing->is_on_disk && order->stored) /* else it would be found first */
			index_remove(server->index, order->stored);
		return;
	}
	if (index_whole(server->index, order, storing->key, object))
		fetch_store_whole(storing->worker, object, storing->key, storing->removals);
}

void fetch_store_forget(struct fetch_storing *storing, struct object *object)
{
	struct server *server = storing->worker->server;

	if (storing->is_shared)
		index_remove(server->index, object);
	if (storing->is_on_disk)
		disks_remove_all(server, storing->key);
	storing->is_shared = storing->is_kept = storing->is_on_disk = false;
	if (storing->part.about)
		object_keep(object, false);
	fetch_part_drop(&storing->part);
}

void fetch_store_abort(struct fetch_storing *storing, const struct fetch_order *order,
                       struct object *object, int error)
{
	if (storing->is_shared)
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

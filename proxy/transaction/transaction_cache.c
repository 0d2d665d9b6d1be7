/* SPDX-License-Identifier: BSD-2-Clause */
/* What the cache has for a request: the look-up in memory, on disk, among fetches under way; and
 * whether what was found may serve. */
#include <errno.h>

#include "cache/index.h"
#include "cache/key.h"
#include "cache/object.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/range.h"
#include "lib/base/heap.h"
#include "proxy/server.h"
#include "proxy/store/disks.h"
#include "proxy/store/promotion.h"
#include "proxy/store/unshared.h"
#include "proxy/transaction/background.h"
#include "proxy/transaction/refresh_values.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"
#include "squid-compat/socket_rules.h"

/* ---- the cache */

static void log_purge(struct transaction *t, struct disk *disk, unsigned n)
{
	char ip[ADDR_TEXT_BYTES];
	char *who = mem_printf("PURGE from %s", addr_ip_text(&t->exchange.client, ip));
	char *what = mem_printf("url %.*s", STR_ARG(t->cache_url));

	disk_log_purge(disk, who, "deleted", what, n);
	mem_free(who);
	mem_free(what);
}

static enum transaction_state purge(struct transaction *t)
{
	struct server *server = t->worker->server;
	uint64_t key = index_key(server->index, t->cache_url);
	unsigned n = index_remove_all(server->index, key, t->cache_url) +
		     partial_table_forget(server->parts, key, t->cache_url);
	unsigned on_disks = 0;

	for (unsigned i = 0; i < server->ndisks; i++) {
		unsigned ndisk = disk_remove_all(server->disks[i], key);

		on_disks += ndisk;
		if (ndisk > 0 || (n > 0 && i == 0))
			log_purge(t, server->disks[i], ndisk);
	}
	n += on_disks;
	return reply_empty(t, n > 0 ? 200 : 404);
}

/* The answer to a request with a body may depend on it, which no key shows; but an answer to POST
 * may say that it does not (RFC 9110 §9.3.3). */
static bool may_depend_on_body(const struct http_request *request)
{
	return request->method != HTTP_POST &&
	       (request->body == HTTP_BODY_CHUNKED ||
	        (request->body == HTTP_BODY_LENGTH && request->content_length > 0));
}

static void mark_connection(struct transaction *t)
{
	const struct socket_rules *rules = transaction_config(t)->clientside_tos;
	int tos = rules ? socket_rules_tos(rules, &t->facts) : 0;

	if (tos > 0 && t->exchange.ops->set_tos)
		t->exchange.ops->set_tos(&t->exchange, tos);
}

enum transaction_state transaction_run_cache_access(struct transaction *t)
{
	struct acl_result result = {0};
	enum acl_verdict verdict;

	mark_connection(t);
	if (transaction_request(t)->method == HTTP_PURGE)
		return purge(t);
	if (http_has(&transaction_request(t)->head, FIELD_UPGRADE)) {
		enum transaction_state next = transaction_offer_upgrade(t);

		if (next != TRANSACTION_CACHE_ACCESS)
			return next;
	}
	verdict = access_ask(t, transaction_config(t)->cache, ACL_ALLOW, &result);
	if (verdict == ACL_NEED)
		return TRANSACTION_CACHE_ACCESS;
	transaction_hide_codings(t);
	t->may_cache = verdict == ACL_ALLOW && t->upgrade.len == 0 &&
	               !may_depend_on_body(transaction_request(t));
	t->key = index_key(t->worker->server->index, t->cache_url);
	if (!t->may_cache)
		t->forward = FORWARD_BYPASS;
	else if (!cache_key_is_method_served(transaction_request(t)->method))
		t->forward = FORWARD_METHOD;
	if (t->forward != FORWARD_NONE)
		return TRANSACTION_FETCH;
	return TRANSACTION_LOOKUP;
}

enum {
	FILE_MIN_BYTES = 32768,  /* of a body for which sendfile pays */
	DISK_PATIENCE_MS = 1000, /* then its answer is not worth the wait */
};

void transaction_disk_answered(struct transaction *t)
{
	timer_cancel(&t->disk_timer);
	t->waiting &= ~(unsigned)WAIT_DISK;
}

static void disk_done(struct disk_query *query, struct object *object)
{
	struct transaction *t = CONTAINER(query, struct transaction, disk);

	transaction_disk_answered(t);
	t->object = object;
	t->is_from_disk = object != NULL;
	transaction_resume(t);
}

/* The device hangs: the origin is asked. */
static void disk_is_late(struct timer *timer)
{
	struct transaction *t = CONTAINER(timer, struct transaction, disk_timer);

	disk_query_give_up(&t->disk);
	t->waiting &= ~(unsigned)WAIT_DISK;
	transaction_resume(t);
}

void transaction_ask_disk(struct transaction *t, struct disk *disk)
{
	t->waiting |= WAIT_DISK;
	timer_init(&t->disk_timer, disk_is_late);
	timer_set(t->worker->loop, &t->disk_timer, loop_now_ms(t->worker->loop) + DISK_PATIENCE_MS);
	disk_lookup(disk, &t->disk);
}

static bool is_conditional(const struct transaction *t)
{
	const struct http_head *head = &transaction_request(t)->head;

	return http_has(head, FIELD_IF_MODIFIED_SINCE) || http_has(head, FIELD_IF_NONE_MATCH);
}

/* Than the body from its beginning. */
static bool may_want_less(const struct transaction *t)
{
	const struct http_request *request = transaction_request(t);

	return request->method == HTTP_HEAD || is_conditional(t) ||
	       http_has(&request->head, FIELD_RANGE);
}

/* True: the answer is under way, and not there at once. */
static bool ask_disk(struct transaction *t, struct disk *disk)
{
	enum disk_now answer;

	t->was_disk_asked = true;
	t->purges_seen = purge_list_now(t->worker->server->purges);
	t->removals_seen = index_removals(t->worker->server->index, t->key);
	t->disk = (struct disk_query){
		.key = t->key,
		.url = t->cache_url,
		.head = &transaction_request(t)->head,
		.keep_bytes = (uint64_t)transaction_config(t)->maximum_object_size_in_memory_bytes,
		.is_lazy = may_want_less(t),
		.loop = t->worker->loop,
		.done = disk_done,
	};
	answer = disk_lookup_now(disk, &t->disk, &t->object);
	t->is_from_disk = answer == DISK_NOW_FOUND;
	if (answer != DISK_NOW_ASK)
		return false;
	transaction_ask_disk(t, disk);
	return true;
}

/* One after another of those that may have it; each once. */
static bool ask_disks(struct transaction *t)
{
	struct server *server = t->worker->server;

	while (!t->object && t->ndisks_asked < server->ndisks) {
		struct disk *disk = server->disks[t->ndisks_asked++];

		if (disk_may_have(disk, t->key) && ask_disk(t, disk))
			return true;
	}
	return false;
}

/* Into memory, unless it was purged, by whatever way, since it was found on disk. */
static void insert_from_disk(struct transaction *t)
{
	struct server *server = t->worker->server;
	struct object *object = t->uncoded ? t->uncoded : t->object;
	uint64_t id = atomic_load_explicit(&object->disk_id, memory_order_relaxed);

	if (!index_insert(server->index, t->key, object))
		return;
	if (index_removals(server->index, t->key) != t->removals_seen ||
	    purge_list_hits(server->purges, t->purges_seen, t->cache_url, object->head) ||
	    (disks_of(server, id) && !disk_has(disks_of(server, id), t->key, id)))
		index_remove(server->index, object);
}

static bool keeps_hits_on_disk(const struct transaction *t)
{
	enum memory_cache_mode mode = transaction_config(t)->memory_cache_mode;

	return mode == MEMORY_CACHE_ALWAYS || mode == MEMORY_CACHE_DISK;
}

/* A hit from disk whose URL was one lately goes to memory, if it fits there: at once, or when the
 * reply has read all of it. */
static void promote(struct transaction *t)
{
	struct server *server = t->worker->server;

	if (!t->is_from_disk || !keeps_hits_on_disk(t) ||
	    !promotion_is_due(server->promotion, t->key))
		return;
	if (object_state(t->object) == OBJECT_COMPLETE)
		insert_from_disk(t);
	else
		t->is_promotion_due = true;
}

void transaction_promote(struct transaction *t)
{
	const struct object *object = t->uncoded ? t->uncoded : t->object;

	if (t->is_promotion_due && object && object_is_whole(object))
		insert_from_disk(t);
}

/* A large body that is asked for again and again moves into a file: sent without a copy. */
static void move_to_file(struct transaction *t)
{
	struct object *filed;
	int64_t offset;
	int fd;

	if (object_length(t->object) < FILE_MIN_BYTES || !body_file_is_usable() ||
	    !index_is_hot(t->worker->server->index, t->object) || !object_is_whole(t->object) ||
	    object_file(t->object, &fd, &offset))
		return;
	filed = object_create_filed(t->object);
	if (!filed)
		return;
	/* Where it was purged or renewed meanwhile, it stays with those who have it. */
	if (!index_replace(t->worker->server->index, t->object, filed)) {
		object_unref(filed);
		return;
	}
	object_unref(t->object);
	t->object = filed;
}

/* Squid: with no reload option anywhere a client's no-cache skips the look-up. */
static bool is_reload(const struct transaction *t)
{
	return t->control.flags & CC_NO_CACHE && !t->snapshot->has_reload_option &&
	       !t->exchange.port->is_ignore_cc;
}

/* The disk was asked for nothing but another variant. */
static enum forward_reason miss_reason(const struct transaction *t)
{
	bool has_variant = t->was_disk_asked ||
			   index_has_url(t->worker->server->index, t->key, t->cache_url);

	return has_variant ? FORWARD_VARY_MISS : FORWARD_URI_MISS;
}

/* *has_head false: what was found may turn out to be the answer to other requests. */
static struct object *find_in_memory(struct transaction *t, bool *has_head)
{
	struct object *object = index_find_told(t->worker->server->index, t->key, t->cache_url,
	                                        &transaction_request(t)->head, has_head);

	if (!object || *has_head || (object != t->given_up && transaction_may_join(t, t->key))) {
		*has_head = !object || *has_head; /* without an object it says nothing */
		return object;
	}
	object_unref(object);
	*has_head = true;
	return NULL;
}

enum transaction_state transaction_run_lookup(struct transaction *t)
{
	bool has_head = true;

	if (t->waiting)
		return TRANSACTION_LOOKUP;
	t->lookup = LOOKUP_MISS;
	/* What HEAD brings is compared with what is stored. */
	if (is_reload(t) && transaction_request(t)->method != HTTP_HEAD) {
		t->forward = FORWARD_REQUEST;
		return TRANSACTION_FETCH;
	}
	if (!t->object)
		t->object = find_in_memory(t, &has_head);
	if (!t->object && ask_disks(t))
		return TRANSACTION_LOOKUP;
	if (!t->object) {
		/* By the fetch. */
		index_expect_removals(t->worker->server->index, t->key);
		unshared_expect(t->worker->unshared, t->key);
		if (transaction_find_part(t))
			return TRANSACTION_DECIDE;
		t->may_lead = !t->has_joined;
		t->forward = t->fill.partial ? FORWARD_PARTIAL : miss_reason(t);
		return TRANSACTION_FETCH;
	}
	promote(t);
	return has_head ? TRANSACTION_DECIDE : TRANSACTION_JOIN;
}

/* ---- DECIDE: may what was found serve? */

static void decide_freshness(struct transaction *t)
{
	bool ignores = t->exchange.port->is_ignore_cc;
	struct refresh_rule_values rule;
	struct freshness_policy policy;
	const struct freshness_question question = {
		.facts = &t->object->facts,
		.rule = &rule,
		.policy = &policy,
		.wishes = ignores ? NULL : &t->control,
		.is_conditional = !ignores && is_conditional(t),
		.now_s = worker_now_s(t->worker),
	};

	refresh_values_for(t->snapshot, t->cache_url, &rule);
	refresh_values_policy(t->snapshot, &policy);
	freshness_decide(&question, &t->freshness);
}

static enum log_tag hit_tag(const struct transaction *t)
{
	if (t->object->facts.flags & FACT_NEGATIVE)
		return LOG_TCP_NEGATIVE_HIT;
	if (transaction_config(t)->offline_mode)
		return LOG_TCP_OFFLINE_HIT;
	return t->is_from_disk ? LOG_TCP_HIT : LOG_TCP_MEM_HIT;
}

/* What would have served but for the client's own wishes was not stale. */
static enum forward_reason forward_reason(const struct transaction *t)
{
	bool is_fresh = t->freshness.left_s > 0 &&
			!(t->object->facts.flags & FACT_REVALIDATE_ALWAYS);

	return is_fresh ? FORWARD_REQUEST : FORWARD_STALE;
}

static void nothing(void *owner)
{
	(void)owner;
}

/* Of a body on its way, the part that the client wants is not to be expected soon. */
static bool is_far_ahead(const struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	uint64_t first;

	return object_state(t->object) == OBJECT_FILLING && !t->is_from_disk &&
	       request->method == HTTP_GET &&
	       range_lowest(http_value(&request->head, FIELD_RANGE), &first) &&
	       first > object_length(t->object) + OBJECT_WINDOW_BYTES;
}

/* An object that is not whole may be given up (its last reader left, it grew too large)
 * before the reply's own reader is there: holds on to its beginning. What comes from disk waits for
 * its reader. False: too late. */
static bool hold(struct transaction *t)
{
	struct iovec iov;
	int niov;

	if (object_is_whole(t->object) || t->is_from_disk)
		return true;
	object_reader_open(&t->hold, t->object, 0, t->worker->loop, nothing, t);
	return object_join(t->object) &&
	       object_read(&t->hold, &iov, 1, 1, &niov) != OBJECT_READ_ABORTED;
}

/* A part is not renewed as it is: the answer to a new request joins it. */
static bool is_stale_part(const struct transaction *t)
{
	return t->part.span.len > 0 && t->freshness.verdict != FRESHNESS_FRESH;
}

/* Not on disk yet (proxy/store/lingering.h), and stale already: nobody can renew it, and it would
 * keep those who want it from sharing one fetch. */
static bool is_stale_before_it_is_stored(const struct transaction *t)
{
	return t->forward == FORWARD_STALE && !t->is_from_disk &&
	       object_state(t->object) == OBJECT_COMPLETE && !object_is_whole(t->object);
}

static enum transaction_state look_without_it(struct transaction *t)
{
	index_remove(t->worker->server->index, t->object);
	object_unref(t->object);
	t->object = NULL;
	t->forward = FORWARD_NONE;
	return TRANSACTION_LOOKUP;
}

enum transaction_state transaction_run_decide(struct transaction *t)
{
	decide_freshness(t);
	if (is_stale_part(t))
		t->freshness.verdict = FRESHNESS_MISS;
	t->lookup = LOOKUP_HIT;
	switch (t->freshness.verdict) {
	case FRESHNESS_FRESH:
	case FRESHNESS_SERVE_STALE:
	case FRESHNESS_SERVE_AND_RENEW:
		t->facts.status = t->object->status;
		if (!access_list_allows(transaction_config(t)->send_hit, true, &t->facts)) {
			t->forward = FORWARD_BYPASS;
			break;
		}
		if (is_far_ahead(t) || !hold(t)) {
			object_reader_close(&t->hold);
			t->forward = FORWARD_URI_MISS;
			break;
		}
		if (t->freshness.verdict == FRESHNESS_SERVE_AND_RENEW)
			background_refresh(t);
		move_to_file(t);
		t->is_hit = true;
		t->tag = hit_tag(t);
		return TRANSACTION_REPLY_ACCESS;
	case FRESHNESS_REVALIDATE:
	case FRESHNESS_MUST_REVALIDATE:
		t->forward = forward_reason(t);
		if (is_stale_before_it_is_stored(t))
			return look_without_it(t);
		if (!(object_is_whole(t->object) || t->is_from_disk) || t->object->status != 200)
			break;
		t->may_lead = transaction_may_share_renewal(t);
		if (t->may_lead && transaction_join_renewal(t))
			return TRANSACTION_JOIN;
		t->is_revalidation_due = true;
		t->must_revalidate = t->freshness.verdict == FRESHNESS_MUST_REVALIDATE;
		return TRANSACTION_FETCH;
	case FRESHNESS_MISS:
		t->forward = forward_reason(t);
		break;
	}
	if (t->has_joined) /* it was stale at once */
		unshared_add(t->worker->unshared, t->key, worker_now_s(t->worker));
	transaction_drop_part(t);
	if (is_reload(t)) { /* HEAD's look-up is no look-up */
		t->lookup = LOOKUP_MISS;
		t->forward = FORWARD_REQUEST;
	}
	if (transaction_request(t)->method == HTTP_HEAD && t->object->status == 200)
		t->known = t->object;
	else
		object_unref(t->object);
	t->object = NULL;
	return TRANSACTION_FETCH;
}

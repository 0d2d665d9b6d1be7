/* SPDX-License-Identifier: BSD-2-Clause */
/* What is not in the cache, or must be validated: asks the origin, and takes what comes. */
#include "cache/object.h"
#include "cache/range.h"
#include "lib/base/log.h"
#include "proxy/limits/worker_load.h"
#include "proxy/server.h"
#include "proxy/store/unshared.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/transaction/transaction_trace.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/size_rules.h"
#include "squid-compat/values.h"

static void fetch_woke(void *owner)
{
	transaction_resume(owner);
}

/* Squid: range_offset_limit; without a line 0, which means that parts are never cut out of
 * wholes. */
static bool is_within_offset_limit(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	int64_t limit =
		size_rules_find(transaction_config(t)->range_offset_limits, &t->facts, 0);
	uint64_t first;

	if (limit == 0 || !range_lowest(http_value(&request->head, FIELD_RANGE), &first))
		return limit == VALUE_UNLIMITED;
	return limit == VALUE_UNLIMITED || first <= (uint64_t)limit;
}

/* The whole is asked for, and the part that the client wants cut out of it here: when a stored
 * response is validated, and where range_offset_limit says so. */
bool transaction_withholds_range(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);

	if (t->is_revalidation_due)
		return true;
	return t->key != 0 && t->may_cache && request->method == HTTP_GET &&
	       http_has(&request->head, FIELD_RANGE) && is_within_offset_limit(t);
}

/* The client's own condition goes to the origin, whose answer then depends on it; not so when we
 * ask about what is stored. */
static bool asks_on_condition(const struct transaction *t)
{
	const struct http_head *head = &transaction_request(t)->head;

	return !t->is_revalidation_due &&
	       (http_has(head, FIELD_IF_NONE_MATCH) || http_has(head, FIELD_IF_MODIFIED_SINCE));
}

/* collapsed_forwarding: an answer that may well serve others, whom it spares a fetch of their
 * own. */
static bool may_lead(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	const struct http_head *head = &request->head;

	return t->may_lead && t->may_cache && request->method == HTTP_GET &&
	       request->body == HTTP_BODY_NONE &&
	       transaction_config(t)->collapsed_forwarding &&
	       !http_has(head, FIELD_AUTHORIZATION) && !http_has(head, FIELD_RANGE) &&
	       !asks_on_condition(t) && transaction_may_collapse(t);
}

/* 0: it leads nobody. */
static uint64_t lead_key(struct transaction *t)
{
	uint64_t key = t->is_revalidation_due ? transaction_renewal_key(t) : t->key;

	return may_lead(t) && !unshared_has(t->worker->unshared, key, worker_now_s(t->worker)) ? key
											     : 0;
}

/* False: another worker began to fetch the same since it was looked for. Then it is looked for once
 * more. */
static bool lead(struct transaction *t, struct fetch_order *order)
{
	bool is_first = !t->has_looked_again && t->forward == FORWARD_URI_MISS;

	order->lead_key = lead_key(t);
	if (order->lead_key == 0)
		return true;
	order->placeholder = fetch_lead(t->worker, order->lead_key, t->cache_url, is_first);
	if (order->placeholder || !is_first)
		return true;
	t->has_looked_again = true;
	t->forward = FORWARD_NONE;
	return false;
}

/* Squid: force_request_body_continuation: the client need not wait for the origin to want it. */
static void hasten_body(struct transaction *t)
{
	const struct access_list *list = transaction_config(t)->force_request_body_continuation;

	if (list && access_list_allows(list, false, &t->facts))
		t->exchange.ops->send_continue(&t->exchange);
}

static void fill_order(struct transaction *t, struct fetch_order *order)
{
	order->snapshot = t->snapshot;
	order->exchange = &t->exchange;
	order->url = t->url;
	order->cache_url = t->cache_url;
	order->parts = &t->parts;
	order->facts = &t->facts;
	if (t->was_rewritten && !transaction_config(t)->url_rewrite->rewrites_host)
		order->client_host = http_value(&transaction_request(t)->head, FIELD_HOST);
	order->log_facts = t->snapshot->request_additions ? transaction_log_facts(t) : NULL;
	order->user = t->user.at ? t->user : t->facts.external_user;
	order->external_user = t->facts.external_user;
	order->external_password = t->external_password;
	order->stored = t->is_revalidation_due ? t->object : NULL;
	order->known = t->known;
	order->hold = &t->hold;
	order->withholds_range = transaction_withholds_range(t);
	order->fill = t->fill;
	order->upgrade = t->upgrade;
	order->websocket_key = t->websocket_key;
	order->key = t->key;
	order->may_store = t->may_cache;
	order->woke = fetch_woke;
	order->tell = t->trace ? transaction_trace_fetch : NULL;
	order->owner = t;
	transaction_order_variants(t, order);
}

/* False: it is to be looked for once more. */
static bool start_fetch(struct transaction *t)
{
	struct fetch_order *order = fetch_order_create(t->worker);

	fill_order(t, order);
	if (!lead(t, order)) {
		fetch_order_drop(order);
		return false;
	}
	hasten_body(t);
	t->is_range_withheld = order->withholds_range || order->fill.partial;
	t->tag = LOG_TCP_MISS;
	t->fetch = fetch_start(order);
	transaction_drop_variants(t);
	return true;
}

static enum transaction_state serve_stale(struct transaction *t)
{
	t->tag = LOG_TCP_REFRESH_FAIL_OLD;
	t->is_hit = true;
	return TRANSACTION_REPLY_ACCESS;
}

/* There is too much to do: early, and without asking anybody. */
static enum transaction_state turn_away(struct transaction *t)
{
	t->worker->counters.overload_refusals++;
	if (t->is_revalidation_due && !t->must_revalidate)
		return serve_stale(t);
	t->tag = t->is_revalidation_due ? LOG_TCP_REFRESH_FAIL_ERR : LOG_TCP_MISS;
	t->retry_after_s = WORKER_LOAD_RETRY_AFTER_S;
	return transaction_refuse(t, 503, ERROR_TOO_BUSY);
}

static enum transaction_state may_fetch(struct transaction *t)
{
	struct acl_result result = {0};

	if (t->control.flags & CC_ONLY_IF_CACHED) {
		t->tag = LOG_TCP_MISS;
		return transaction_refuse(t, 504, ERROR_ONLY_IF_CACHED_MISS);
	}
	if (t->is_loop) {
		log_say(1, "WARNING: Forwarding loop detected for: %.*s", STR_ARG(t->url));
		t->tag = LOG_TCP_MISS;
		return transaction_refuse(t, 403, ERROR_ACCESS_DENIED);
	}
	t->facts.is_fast = true;
	if (access_list_check(transaction_config(t)->miss_access, ACL_ALLOW, &t->facts, &result) !=
	    ACL_ALLOW)
		return reply_denied(t, &result, LOG_TCP_MISS, ERROR_FORWARDING_DENIED);
	t->facts.is_fast = false;
	return worker_load_refuses_fetch(t->worker, transaction_config(t)) ? turn_away(t)
									    : TRANSACTION_FETCH;
}

static void take_object(struct transaction *t)
{
	t->is_promotion_due = false;
	object_unref(t->object);
	t->object = object_ref(fetch_object(t->fetch));
}

/* The origin did not help; what is stored may still serve, unless that is forbidden. */
static enum transaction_state fetch_failed(struct transaction *t)
{
	const struct fetch_failure *failure = fetch_failure(t->fetch);

	if (t->is_revalidation_due && !t->must_revalidate)
		return serve_stale(t);
	t->tag = t->is_revalidation_due ? LOG_TCP_REFRESH_FAIL_ERR : LOG_TCP_MISS;
	if (failure->error == ERROR_TOO_BUSY)
		t->retry_after_s = WORKER_LOAD_RETRY_AFTER_S;
	return reply_error(t, failure->status, failure->error, failure->error_number);
}

static enum transaction_state fetch_answered(struct transaction *t)
{
	int status = t->report.status;

	/* Broken before the client got a byte of it. */
	if (object_state(fetch_object(t->fetch)) == OBJECT_ABORTED)
		return fetch_failed(t);
	/* To that client it would mean that its protocol is spoken from here on. */
	if (t->exchange.is_extended_connect && status < 300)
		return reply_error(t, 502, ERROR_INVALID_RESP, 0);
	if (!t->is_revalidation_due) {
		take_object(t);
		return TRANSACTION_REPLY_ACCESS;
	}
	if (status >= 500 && !t->must_revalidate)
		return serve_stale(t);
	t->tag = status >= 500 ? LOG_TCP_REFRESH_FAIL_ERR : LOG_TCP_REFRESH_MODIFIED;
	take_object(t);
	return TRANSACTION_REPLY_ACCESS;
}

enum transaction_state transaction_run_fetch(struct transaction *t)
{
	if (!t->fetch) {
		enum transaction_state next = may_fetch(t);

		if (next != TRANSACTION_FETCH || !transaction_collect_variants(t))
			return next;
		if (!start_fetch(t))
			return TRANSACTION_LOOKUP;
	}
	t->report = *fetch_report(t->fetch);
	switch (fetch_outcome(t->fetch)) {
	case FETCH_PENDING:
		return TRANSACTION_FETCH;
	case FETCH_FAILED:
		return fetch_failed(t);
	case FETCH_ANSWERED:
		return fetch_answered(t);
	case FETCH_SWITCHED:
		return transaction_run_switched(t);
	case FETCH_NOT_MODIFIED:
		break;
	}
	take_object(t);
	t->is_hit = true;
	t->tag = LOG_TCP_REFRESH_UNMODIFIED;
	return TRANSACTION_REPLY_ACCESS;
}

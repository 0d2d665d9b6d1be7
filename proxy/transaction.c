/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a request. A state does all it can without waiting and names the next one; naming its
 * own means "wait": whatever it waits for runs it again, from the loop. */
#include "proxy/transaction.h"

#include <errno.h>

#include "cache/index.h"
#include "cache/key.h"
#include "cache/object.h"
#include "cache/vary.h"
#include "helpers/url_rewrite.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/refresh_values.h"
#include "proxy/server.h"
#include "proxy/transaction_internal.h"
#include "proxy/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/helper_config.h"
#include "squid-compat/ports.h"

static const struct config *config_of(const struct transaction *t)
{
	return snapshot_config(t->snapshot);
}

static const struct http_request *request_of(const struct transaction *t)
{
	return &t->exchange.request;
}

/* ---- START: the URL that the request is for, and what is no business of ours */

static enum transaction_state refuse(struct transaction *t, int status, enum error_name error)
{
	return reply_error(t, status, error, 0);
}

/* Our own name in Via: the request has been here before. RFC 9110 §7.6.3. */
static bool is_loop(const struct transaction *t)
{
	const struct http_field *field = NULL;
	struct str mark = t->snapshot->via_mark;

	while ((field = http_find_next(&request_of(t)->head, FIELD_VIA, field))) {
		struct str value = http_field_value(&request_of(t)->head, field);

		if (memmem(value.at, value.len, mark.at, mark.len))
			return true;
	}
	return false;
}

static bool make_url(struct transaction *t, enum port_url_verdict *verdict)
{
	const struct http_head *head = &request_of(t)->head;
	struct buf text;

	buf_init(&text, TRANSACTION_URL_BYTES);
	*verdict = port_request_url(t->exchange.port, http_span(head, request_of(t)->target),
				    http_value(head, FIELD_HOST), &t->exchange.local, &text,
				    &t->parts);
	if (*verdict == PORT_URL_OK)
		t->url = t->client_url = arena_str(&t->arena, buf_str(&text));
	t->client_parts = t->parts;
	buf_fini(&text);
	return *verdict == PORT_URL_OK;
}

static bool is_body_too_large(const struct transaction *t)
{
	int64_t max = config_of(t)->request_body_max_bytes;

	return max > 0 && request_of(t)->body == HTTP_BODY_LENGTH &&
	       request_of(t)->content_length > (uint64_t)max;
}

static bool is_internal(const struct transaction *t)
{
	struct str path = {t->url.at + t->parts.path.at, t->parts.path.len};

	return str_starts_with(path, STR("/squid-internal-"));
}

/* OPTIONS with Max-Forwards: 0 is for us, and so is OPTIONS *. */
static bool is_for_us(const struct transaction *t)
{
	const struct http_request *request = request_of(t);
	uint64_t left;

	if (request->method != HTTP_OPTIONS)
		return false;
	if (str_eq(http_span(&request->head, request->target), STR("*")))
		return true;
	return str_to_u64(http_value(&request->head, FIELD_MAX_FORWARDS), &left) && left == 0;
}

static enum transaction_state run_start(struct transaction *t)
{
	const struct http_request *request = request_of(t);
	enum port_url_verdict verdict;

	if (request->method == HTTP_CONNECT || request->method == HTTP_TRACE) {
		t->error_url = "error:method-not-allowed";
		return refuse(t, 405, ERROR_UNSUP_REQ);
	}
	if (is_for_us(t))
		return refuse(t, 501, ERROR_UNSUP_REQ);
	if (!make_url(t, &verdict))
		return refuse(t, 400, verdict == PORT_URL_BAD_SCHEME ? ERROR_UNSUP_REQ
								     : ERROR_INVALID_URL);
	access_set_url_facts(t);
	if (is_body_too_large(t))
		return refuse(t, 413, ERROR_TOO_BIG);
	cache_control_read(&request->head, &t->control);
	t->is_loop = http_has(&request->head, FIELD_VIA) && is_loop(t);
	return TRANSACTION_HTTP_ACCESS;
}

/* ---- HTTP_ACCESS */

static enum transaction_state run_http_access(struct transaction *t)
{
	bool is_purge = request_of(t)->method == HTTP_PURGE;
	struct acl_result result = {0};
	enum acl_verdict verdict = access_ask(t, config_of(t)->http_access, ACL_DENY, &result);

	if (verdict == ACL_NEED)
		return TRANSACTION_HTTP_ACCESS;
	if (verdict == ACL_DENY || (is_purge && !t->snapshot->has_purge))
		return reply_denied(t, &result, LOG_TCP_DENIED, ERROR_ACCESS_DENIED);
	if (is_internal(t))
		return refuse(t, 404, ERROR_INVALID_URL);
	if (!t->exchange.port->is_accel && !is_purge)
		return reply_denied(t, &(struct acl_result){0}, LOG_TCP_DENIED,
				    ERROR_ACCESS_DENIED);
	return TRANSACTION_REWRITE;
}

/* ---- REWRITE */

static void rewrite_done(struct helper_request *request)
{
	struct transaction *t = CONTAINER(request, struct transaction, rewrite);

	t->waiting &= ~(unsigned)WAIT_REWRITE;
	transaction_resume(t);
}

/* False: there is no such thing to ask (too long a line). */
static bool ask_rewriter(struct transaction *t)
{
	struct buf extras, line;
	bool ok;

	buf_init(&extras, 16384);
	buf_init(&line, URL_REWRITE_MAX_ASK_BYTES);
	transaction_render_extras(t, &extras);
	ok = url_rewrite_line(t->url, buf_str(&extras), &line);
	if (ok) {
		t->rewrite.loop = t->worker->loop;
		t->rewrite.done = rewrite_done;
		t->waiting |= WAIT_REWRITE;
		helper_pool_ask(t->snapshot->url_rewrite, &t->rewrite, buf_str(&line));
	}
	buf_fini(&extras);
	buf_fini(&line);
	return ok;
}

static void take_new_url(struct transaction *t, struct str url)
{
	struct port_url parts;
	struct buf text;

	buf_init(&text, TRANSACTION_URL_BYTES);
	if (port_url_absolute(url, &text, &parts) == PORT_URL_OK) {
		t->url = arena_str(&t->arena, buf_str(&text));
		t->parts = parts;
		t->was_rewritten = !str_eq(t->url, t->client_url);
		access_set_url_facts(t);
	} else {
		log_say(1, "ERROR: URL-rewrite produces invalid request: %.*s %.*s HTTP/1.1",
			STR_ARG(t->facts.method), STR_ARG(url));
	}
	buf_fini(&text);
}

static enum transaction_state take_rewrite(struct transaction *t)
{
	struct url_rewrite_verdict verdict;

	url_rewrite_read(t->rewrite.reply, t->facts.method, snapshot_rewrite_policy(t->snapshot),
			 &verdict);
	if (verdict.complaint.at[0])
		log_say(1, "%s", verdict.complaint.at);
	switch (verdict.action) {
	case URL_REWRITE_REDIRECT:
		t->tag = LOG_TCP_REDIRECT;
		return reply_redirect(t, verdict.status, verdict.url);
	case URL_REWRITE_FAIL:
		return refuse(t, 500, ERROR_GATEWAY_FAILURE);
	case URL_REWRITE_TO:
		take_new_url(t, verdict.url);
		break;
	case URL_REWRITE_UNCHANGED:
		break;
	}
	return TRANSACTION_ADAPTED_ACCESS;
}

static enum transaction_state run_rewrite(struct transaction *t)
{
	struct acl_result result = {0};

	if (!t->snapshot->url_rewrite)
		return TRANSACTION_ADAPTED_ACCESS;
	if (t->rewrite.reply)
		return take_rewrite(t);
	if (t->waiting)
		return TRANSACTION_REWRITE;
	switch (access_ask(t, config_of(t)->url_rewrite_access, ACL_ALLOW, &result)) {
	case ACL_NEED:
		return TRANSACTION_REWRITE;
	case ACL_DENY:
		return TRANSACTION_ADAPTED_ACCESS;
	case ACL_ALLOW:
		break;
	}
	return ask_rewriter(t) ? TRANSACTION_REWRITE : refuse(t, 414, ERROR_GATEWAY_FAILURE);
}

static enum transaction_state run_adapted_access(struct transaction *t)
{
	struct acl_result result = {0};

	switch (access_ask(t, config_of(t)->adapted_http_access, ACL_ALLOW, &result)) {
	case ACL_NEED:
		return TRANSACTION_ADAPTED_ACCESS;
	case ACL_DENY:
		return reply_denied(t, &result, LOG_TCP_DENIED, ERROR_ACCESS_DENIED);
	case ACL_ALLOW:
		break;
	}
	return TRANSACTION_CACHE_ACCESS;
}

/* ---- the cache */

static enum transaction_state purge(struct transaction *t)
{
	struct server *server = t->worker->server;
	uint64_t key = index_key(server->index, t->url);
	struct disk *disk = server_disk(server, key);
	unsigned n = index_remove_all(server->index, key, t->url);

	if (disk)
		n += disk_remove_all(disk, key);
	return reply_empty(t, n > 0 ? 200 : 404);
}

static enum transaction_state run_cache_access(struct transaction *t)
{
	struct acl_result result = {0};
	enum acl_verdict verdict;

	if (request_of(t)->method == HTTP_PURGE)
		return purge(t);
	verdict = access_ask(t, config_of(t)->cache, ACL_ALLOW, &result);
	if (verdict == ACL_NEED)
		return TRANSACTION_CACHE_ACCESS;
	t->may_cache = verdict == ACL_ALLOW;
	t->key = index_key(t->worker->server->index, t->url);
	if (!t->may_cache || !cache_key_is_method_served(request_of(t)->method))
		return TRANSACTION_FETCH;
	return TRANSACTION_LOOKUP;
}

static void disk_done(struct disk_query *query, struct object *object)
{
	struct transaction *t = CONTAINER(query, struct transaction, disk);

	t->waiting &= ~(unsigned)WAIT_DISK;
	t->object = object;
	t->is_from_disk = object != NULL;
	transaction_resume(t);
}

static bool ask_disk(struct transaction *t)
{
	struct disk *disk = server_disk(t->worker->server, t->key);

	if (!disk || t->was_disk_asked || !disk_may_have(disk, t->key))
		return false;
	t->was_disk_asked = true;
	t->disk = (struct disk_query){
		.key = t->key,
		.url = t->url,
		.head = &request_of(t)->head,
		.keep_bytes = (uint64_t)config_of(t)->maximum_object_size_in_memory_bytes,
		.loop = t->worker->loop,
		.done = disk_done,
	};
	t->waiting |= WAIT_DISK;
	disk_lookup(disk, &t->disk);
	return true;
}

/* A hit from disk that was one before goes to memory, if it fits there. */
static void promote(struct transaction *t)
{
	if (t->is_from_disk && t->disk.nhits > 0 && object_state(t->object) == OBJECT_COMPLETE)
		index_insert(t->worker->server->index, t->key, t->object);
}

/* Squid: with no reload option anywhere a client's no-cache skips the look-up. */
static bool is_reload(const struct transaction *t)
{
	return t->control.flags & CC_NO_CACHE && !t->snapshot->has_reload_option &&
	       !t->exchange.port->is_ignore_cc;
}

static enum transaction_state run_lookup(struct transaction *t)
{
	if (t->waiting)
		return TRANSACTION_LOOKUP;
	t->lookup = LOOKUP_MISS;
	if (is_reload(t))
		return TRANSACTION_FETCH;
	if (!t->was_disk_asked)
		t->object = index_find(t->worker->server->index, t->key, t->url,
				       &request_of(t)->head);
	if (!t->object && ask_disk(t))
		return TRANSACTION_LOOKUP;
	if (!t->object)
		return TRANSACTION_FETCH;
	promote(t);
	return object_state(t->object) == OBJECT_EMPTY ? TRANSACTION_JOIN : TRANSACTION_DECIDE;
}

/* ---- JOIN: somebody else's fetch, whose head is not there yet */

static void joined_woke(void *owner)
{
	transaction_resume(owner);
}

static enum transaction_state run_join(struct transaction *t)
{
	struct object_reader *reader = &t->exchange.reply.reader;

	if (!reader->object)
		object_reader_open(reader, t->object, 0, t->worker->loop, joined_woke, t);
	if (object_reader_head(reader) == OBJECT_READ_WAIT)
		return TRANSACTION_JOIN;
	object_reader_close(reader);
	if (object_state(t->object) != OBJECT_ABORTED &&
	    vary_matches(t->object->vary, &request_of(t)->head))
		return TRANSACTION_DECIDE;
	object_unref(t->object);
	t->object = NULL;
	return TRANSACTION_FETCH;
}

/* ---- DECIDE: may what was found serve? */

static bool is_conditional(const struct transaction *t)
{
	const struct http_head *head = &request_of(t)->head;

	return http_has(head, FIELD_IF_MODIFIED_SINCE) || http_has(head, FIELD_IF_NONE_MATCH);
}

static void decide_freshness(struct transaction *t)
{
	bool ignores = t->exchange.port->is_ignore_cc;
	struct refresh_rule_values rule;
	struct freshness_policy policy;
	const struct freshness_request request = {
		.control = ignores ? NULL : &t->control,
		.is_conditional = !ignores && is_conditional(t),
	};

	refresh_values_for(t->snapshot, t->url, &rule);
	refresh_values_policy(t->snapshot, &policy);
	freshness_decide(&t->object->facts, &rule, &policy, &request, worker_now_s(t->worker),
			 &t->freshness);
}

static enum log_tag hit_tag(const struct transaction *t)
{
	if (t->object->facts.flags & FACT_NEGATIVE)
		return LOG_TCP_NEGATIVE_HIT;
	if (config_of(t)->offline_mode)
		return LOG_TCP_OFFLINE_HIT;
	return t->is_from_disk ? LOG_TCP_HIT : LOG_TCP_MEM_HIT;
}

static enum transaction_state run_decide(struct transaction *t)
{
	decide_freshness(t);
	t->lookup = LOOKUP_HIT;
	switch (t->freshness.verdict) {
	case FRESHNESS_FRESH:
	case FRESHNESS_SERVE_STALE:
		t->facts.status = t->object->status;
		if (!access_list_allows(config_of(t)->send_hit, true, &t->facts))
			break;
		t->is_hit = true;
		t->tag = hit_tag(t);
		return TRANSACTION_REPLY_ACCESS;
	case FRESHNESS_REVALIDATE:
	case FRESHNESS_MUST_REVALIDATE:
		if (object_state(t->object) != OBJECT_COMPLETE || t->object->status != 200)
			break;
		t->is_revalidation_due = true;
		t->must_revalidate = t->freshness.verdict == FRESHNESS_MUST_REVALIDATE;
		return TRANSACTION_FETCH;
	case FRESHNESS_MISS:
		break;
	}
	object_unref(t->object);
	t->object = NULL;
	return TRANSACTION_FETCH;
}

/* ---- FETCH */

static void fetch_woke(void *owner)
{
	transaction_resume(owner);
}

static void start_fetch(struct transaction *t)
{
	const struct fetch_order order = {
		.worker = t->worker,
		.snapshot = t->snapshot,
		.exchange = &t->exchange,
		.url = t->url,
		.parts = &t->parts,
		.facts = &t->facts,
		.client_host = t->was_rewritten && !config_of(t)->url_rewrite->rewrites_host
				       ? http_value(&request_of(t)->head, FIELD_HOST)
				       : STR_NONE,
		.user = t->user,
		.stored = t->is_revalidation_due ? t->object : NULL,
		.key = t->key,
		.may_store = t->may_cache,
		.woke = fetch_woke,
		.owner = t,
	};

	t->tag = LOG_TCP_MISS;
	t->fetch = fetch_start(&order);
}

static enum transaction_state may_fetch(struct transaction *t)
{
	struct acl_result result = {0};

	if (t->control.flags & CC_ONLY_IF_CACHED) {
		t->tag = LOG_TCP_MISS;
		return refuse(t, 504, ERROR_ONLY_IF_CACHED_MISS);
	}
	if (t->is_loop) {
		log_say(1, "WARNING: Forwarding loop detected for: %.*s", STR_ARG(t->url));
		t->tag = LOG_TCP_MISS;
		return refuse(t, 403, ERROR_ACCESS_DENIED);
	}
	t->facts.is_fast = true;
	if (access_list_check(config_of(t)->miss_access, ACL_ALLOW, &t->facts, &result) !=
	    ACL_ALLOW)
		return reply_denied(t, &result, LOG_TCP_MISS, ERROR_FORWARDING_DENIED);
	t->facts.is_fast = false;
	return TRANSACTION_FETCH;
}

static void take_object(struct transaction *t)
{
	object_unref(t->object);
	t->object = object_ref(fetch_object(t->fetch));
}

/* The origin did not help; what is stored may still serve, unless that is forbidden. */
static enum transaction_state fetch_failed(struct transaction *t)
{
	const struct fetch_failure *failure = fetch_failure(t->fetch);

	if (t->is_revalidation_due && !t->must_revalidate) {
		t->tag = LOG_TCP_REFRESH_FAIL_OLD;
		t->is_hit = true;
		return TRANSACTION_REPLY_ACCESS;
	}
	t->tag = t->is_revalidation_due ? LOG_TCP_REFRESH_FAIL_ERR : LOG_TCP_MISS;
	return reply_error(t, failure->status, failure->error, failure->error_number);
}

static enum transaction_state fetch_answered(struct transaction *t)
{
	int status = t->report.status;

	if (!t->is_revalidation_due) {
		take_object(t);
		return TRANSACTION_REPLY_ACCESS;
	}
	if (status >= 500 && !t->must_revalidate) {
		t->tag = LOG_TCP_REFRESH_FAIL_OLD;
		t->is_hit = true;
		return TRANSACTION_REPLY_ACCESS;
	}
	t->tag = status >= 500 ? LOG_TCP_REFRESH_FAIL_ERR : LOG_TCP_REFRESH_MODIFIED;
	take_object(t);
	return TRANSACTION_REPLY_ACCESS;
}

static enum transaction_state run_fetch(struct transaction *t)
{
	if (!t->fetch) {
		enum transaction_state next = may_fetch(t);

		if (next != TRANSACTION_FETCH)
			return next;
		start_fetch(t);
	}
	t->report = *fetch_report(t->fetch);
	switch (fetch_outcome(t->fetch)) {
	case FETCH_PENDING:
		return TRANSACTION_FETCH;
	case FETCH_FAILED:
		return fetch_failed(t);
	case FETCH_ANSWERED:
		return fetch_answered(t);
	case FETCH_NOT_MODIFIED:
		break;
	}
	take_object(t);
	t->is_hit = true;
	t->tag = LOG_TCP_REFRESH_UNMODIFIED;
	return TRANSACTION_REPLY_ACCESS;
}

/* ---- REPLY_ACCESS */

static enum transaction_state run_reply_access(struct transaction *t)
{
	struct acl_result result = {0};

	if (config_of(t)->http_reply_access) {
		transaction_set_reply_facts(t);
		switch (access_ask(t, config_of(t)->http_reply_access, ACL_ALLOW, &result)) {
		case ACL_NEED:
			return TRANSACTION_REPLY_ACCESS;
		case ACL_DENY:
			return reply_denied(t, &result, LOG_TCP_DENIED_REPLY,
					    ERROR_ACCESS_DENIED);
		case ACL_ALLOW:
			break;
		}
	}
	return t->is_hit ? reply_stored(t) : reply_object(t);
}

static enum transaction_state run_replied(struct transaction *t)
{
	t->is_reply_ready = true;
	return TRANSACTION_REPLIED;
}

/* ---- the table */

static const struct {
	const char *name; /* as a report shows it */
	enum transaction_state (*run)(struct transaction *t);
} steps[TRANSACTION_STATES] = {
	[TRANSACTION_START] = {"start", run_start},
	[TRANSACTION_HTTP_ACCESS] = {"http-access", run_http_access},
	[TRANSACTION_REWRITE] = {"rewrite", run_rewrite},
	[TRANSACTION_ADAPTED_ACCESS] = {"adapted-access", run_adapted_access},
	[TRANSACTION_CACHE_ACCESS] = {"cache-access", run_cache_access},
	[TRANSACTION_LOOKUP] = {"lookup", run_lookup},
	[TRANSACTION_JOIN] = {"join", run_join},
	[TRANSACTION_DECIDE] = {"decide", run_decide},
	[TRANSACTION_FETCH] = {"fetch", run_fetch},
	[TRANSACTION_REPLY_ACCESS] = {"reply-access", run_reply_access},
	[TRANSACTION_REPLIED] = {"replied", run_replied},
};

static void run(struct transaction *t)
{
	check(!t->is_running);
	t->is_running = true;
	for (;;) {
		enum transaction_state next = steps[t->state].run(t);

		if (next == t->state)
			break;
		t->state = next;
	}
	t->is_running = false;
}

void transaction_resume(struct transaction *t)
{
	if (t->is_reply_ready)
		return;
	run(t);
	if (t->is_reply_ready)
		t->exchange.ops->reply_ready(&t->exchange);
}

/* ---- life */

enum { MAX_SPARE = 64 };

struct transaction *transaction_create(struct worker *worker, struct snapshot *snapshot)
{
	struct list *node = list_pop_front(&worker->spare);
	struct transaction *t;

	if (node) {
		t = CONTAINER(node, struct transaction, node);
		worker->nspare--;
	} else {
		t = mem_alloc(sizeof(*t));
	}
	memset(t, 0, offsetof(struct transaction, exchange));
	memset(&t->exchange, 0, offsetof(struct exchange, request));
	t->exchange.request_bytes = t->exchange.request_head_bytes = 0;
	t->exchange.is_body_read = false;
	t->exchange.request.head.nfields = 0;
	memset(&t->exchange.reply, 0, sizeof(t->exchange.reply));
	list_init(&t->node);
	t->worker = worker;
	t->snapshot = snapshot;
	arena_init(&t->arena, t->arena_first, sizeof(t->arena_first));
	return t;
}

struct exchange *transaction_exchange(struct transaction *t)
{
	return &t->exchange;
}

void transaction_keep_head(struct transaction *t)
{
	struct http_head *head = &t->exchange.request.head;

	head->base = arena_str(&t->arena, (struct str){head->base, head->len}).at;
}

static void begin(struct transaction *t)
{
	t->is_begun = true;
	snapshot_ref(t->snapshot);
	t->start_us = loop_wall_us(t->worker->loop);
	access_init_facts(t);
	t->worker->counters.client_requests++;
}

void transaction_begin(struct transaction *t)
{
	begin(t);
	run(t);
}

void transaction_begin_refused(struct transaction *t, const struct refusal *refusal)
{
	t->is_refused = true;
	begin(t);
	t->error_url = refusal->url;
	log_say(2, "refused a request: %s", refusal->why);
	t->state = refuse(t, refusal->status, error_name_of(str_of(refusal->error)));
	run(t);
}

bool transaction_has_reply(const struct transaction *t)
{
	return t->is_reply_ready;
}

void transaction_body_wake(struct transaction *t)
{
	if (t->fetch)
		fetch_body_wake(t->fetch);
}

static void release(struct transaction *t)
{
	struct worker *worker = t->worker;

	if (t->waiting & WAIT_DISK)
		disk_query_cancel(&t->disk);
	helper_request_fini(&t->rewrite);
	access_cancel(t);
	object_reader_close(&t->exchange.reply.reader);
	fetch_detach(t->fetch);
	object_unref(t->object);
	if (t->is_begun)
		snapshot_unref(t->snapshot);
	arena_fini(&t->arena);
	if (worker->nspare >= MAX_SPARE) {
		mem_free(t);
		return;
	}
	worker->nspare++;
	list_push_front(&worker->spare, &t->node);
}

void transaction_end(struct transaction *t, bool is_complete)
{
	if (t->fetch)
		t->report = *fetch_report(t->fetch);
	transaction_log(t, is_complete);
	release(t);
}

void transaction_end_without_request(struct transaction *t, size_t nbytes)
{
	t->exchange.request_bytes = nbytes;
	t->is_refused = true;
	t->error_url = "error:transaction-end-before-headers";
	begin(t);
	transaction_log(t, true);
	release(t);
}

void transaction_free_spare(struct worker *worker)
{
	struct list *node;

	while ((node = list_pop_front(&worker->spare)))
		mem_free(CONTAINER(node, struct transaction, node));
	worker->nspare = 0;
}

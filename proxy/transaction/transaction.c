/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a request. A state does all it can without waiting and names the next one; naming its
 * own means "wait": whatever it waits for runs it again, from the loop. */
#include "proxy/transaction/transaction.h"

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "proxy/server.h"
#include "proxy/session/bandwidth.h"
#include "proxy/transaction/acme_challenge.h"
#include "proxy/transaction/recoder.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/transaction/transaction_trace.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"
#include "squid-compat/size_rules.h"
#include "squid-compat/values.h"

/* ---- START: the URL that the request is for, and what is no business of ours */

/* Our own name in Via: the request has been here before. RFC 9110 §7.6.3. */
static bool is_via_loop(const struct transaction *t)
{
	const struct http_field *field = NULL;
	struct str mark = t->snapshot->via_mark;

	while ((field = http_find_next(&transaction_request(t)->head, FIELD_VIA, field))) {
		struct str value = http_field_value(&transaction_request(t)->head, field);

		if (memmem(value.at, value.len, mark.at, mark.len))
			return true;
	}
	return false;
}

/* Or our own id in CDN-Loop: ID *( ";" PARAMETER ), RFC 8586 §2. */
static bool is_cdn_loop(const struct transaction *t)
{
	struct str id = str_of(transaction_config(t)->surrogate_id), element;
	struct http_list list = {0};

	while (http_list_next(&transaction_request(t)->head, FIELD_CDN_LOOP, &list, &element)) {
		struct str name = str_first(element, str_find_char(element, ';'));

		if (str_eq_nocase(str_trim(name), id))
			return true;
	}
	return false;
}

/* The target by uri_whitespace; an empty text if that makes none. */
static struct str target_of(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	struct str target = http_span(&request->head, request->target);
	struct buf mended;
	bool is_good;

	if (!request->has_blanks)
		return target;
	buf_init(&mended, TRANSACTION_URL_BYTES);
	is_good = uri_whitespace_mend(transaction_config(t)->uri_whitespace, target, &mended);
	target = is_good ? arena_str(&t->arena, buf_str(&mended)) : STR("");
	buf_fini(&mended);
	return target;
}

static bool make_url(struct transaction *t, struct str target, enum port_url_verdict *verdict)
{
	const struct port_request request = {
		.port = t->exchange.port,
		.target = target,
		.host = http_value(&transaction_request(t)->head, FIELD_HOST),
		.local = &t->exchange.local,
		.rules = transaction_config(t)->url_rules,
	};
	struct buf *text = &t->worker->url_scratch;

	*verdict = port_request_url(&request, text, &t->parts);
	if (*verdict == PORT_URL_OK)
		t->url = t->client_url = arena_str(&t->arena, buf_str(text));
	t->client_parts = t->parts;
	return *verdict == PORT_URL_OK;
}

static bool is_body_too_large(const struct transaction *t)
{
	int64_t max = transaction_config(t)->request_body_max_bytes;

	return max > 0 && transaction_request(t)->body == HTTP_BODY_LENGTH &&
	       transaction_request(t)->content_length > (uint64_t)max;
}

/* OPTIONS with Max-Forwards: 0 is for us, and so is OPTIONS *. */
static bool is_for_us(const struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	uint64_t left;

	if (request->method != HTTP_OPTIONS)
		return false;
	if (str_eq(http_span(&request->head, request->target), STR("*")))
		return true;
	return str_to_u64(http_value(&request->head, FIELD_MAX_FORWARDS), &left) && left == 0;
}

/* acme_challenge_dir: whoever vouches for our sites comes from anywhere, by plain HTTP. */
static bool is_challenge(struct transaction *t, struct buf *body)
{
	const char *dir = transaction_config(t)->acme_challenge_dir;
	enum http_method method = transaction_request(t)->method;
	struct str path = str_from(t->url, t->parts.path.at);

	return dir && (method == HTTP_GET || method == HTTP_HEAD) &&
	       acme_challenge_read(dir, str_first(path, t->parts.path.len), body);
}

static enum transaction_state answer_challenge(struct transaction *t)
{
	enum transaction_state next = TRANSACTION_FORWARDED;
	struct buf body;

	buf_init(&body, ACME_MAX_BYTES);
	if (is_challenge(t, &body))
		next = reply_text(t, 200, buf_str(&body));
	buf_fini(&body);
	return next;
}

/* Squid: host_verify_strict: Host, with its port, is that of the URL. */
static bool is_host_of_url(const struct transaction *t)
{
	struct str field = http_value(&transaction_request(t)->head, FIELD_HOST), host;
	struct str of_url =
		str_first(str_from(t->url, t->parts.authority.at), t->parts.authority.len);
	struct str of_host = of_url;
	uint16_t port, url_port;

	if (field.len == 0 || t->is_internal)
		return true;
	if (!port_cut_site(field, &host, &port) || !port_cut_site(of_url, &of_host, &url_port))
		return false;
	if (host.len > 0 && host.at[host.len - 1] == '.')
		host.len--;
	if (port == 0)
		port = t->parts.is_https ? 443 : 80;
	return str_eq_nocase(host, of_host) && port == t->parts.port;
}

static enum transaction_state run_start(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	enum port_url_verdict verdict;
	struct str target;

	if (request->method == HTTP_CONNECT || request->method == HTTP_TRACE) {
		t->error_url = "error:method-not-allowed";
		/* What follows CONNECT is no HTTP. */
		t->exchange.reply.close_after = request->method == HTTP_CONNECT;
		return transaction_refuse(t, 405, ERROR_UNSUP_REQ);
	}
	if (is_for_us(t))
		return transaction_refuse(t, 501, ERROR_UNSUP_REQ);
	target = target_of(t);
	if (!transaction_make_internal_url(t, target) && !make_url(t, target, &verdict))
		return transaction_refuse(t, 400,
		                          verdict == PORT_URL_BAD_SCHEME ? ERROR_UNSUP_REQ
		                                                         : ERROR_INVALID_URL);
	access_set_url_facts(t);
	if (transaction_config(t)->host_verify_strict && !is_host_of_url(t))
		return transaction_refuse(t, 409, ERROR_CONFLICT_HOST);
	if (is_body_too_large(t))
		return transaction_refuse(t, 413, ERROR_TOO_BIG);
	cache_control_read(&request->head, &t->control);
	t->is_loop = (http_has(&request->head, FIELD_VIA) && is_via_loop(t)) ||
		     (http_has(&request->head, FIELD_CDN_LOOP) && is_cdn_loop(t));
	return answer_challenge(t);
}

/* ---- HTTP_ACCESS */

static enum transaction_state run_http_access(struct transaction *t)
{
	bool is_purge = transaction_request(t)->method == HTTP_PURGE;
	struct acl_result result = {0};
	enum acl_verdict verdict;

	if (t->snapshot->has_guard && !t->was_guarded) {
		enum transaction_state next = transaction_run_guard(t);

		if (next != TRANSACTION_HTTP_ACCESS)
			return next;
	}
	verdict = access_ask(t, transaction_config(t)->http_access, ACL_DENY, &result);
	if (verdict == ACL_NEED)
		return TRANSACTION_HTTP_ACCESS;
	if (verdict == ACL_DENY || (is_purge && !t->snapshot->has_purge))
		return reply_denied(t, &result, LOG_TCP_DENIED, ERROR_ACCESS_DENIED);
	if (t->is_internal)
		return is_purge ? transaction_refuse(t, 404, ERROR_INVALID_URL)
		                : transaction_run_manager(t);
	if (!t->exchange.port->is_accel && !is_purge)
		return reply_denied(t, &(struct acl_result){0}, LOG_TCP_DENIED,
		                    ERROR_ACCESS_DENIED);
	return t->snapshot->has_guard ? transaction_run_user_guard(t) : TRANSACTION_REWRITE;
}

/* ---- REPLY_ACCESS */

static int64_t declared_bytes(const struct object *object)
{
	if (object_state(object) == OBJECT_COMPLETE)
		return (int64_t)atomic_load_explicit(&object->length_, memory_order_acquire);
	return object->body_bytes;
}

/* reply_body_max_size. False: the reply is too large, and says so. What declares no length is cut
 * where it gets too long. */
static bool is_within_reply_limit(struct transaction *t)
{
	const struct size_rules *rules = transaction_config(t)->reply_body_limits;
	int64_t bytes = declared_bytes(t->object), max;

	if (size_rules_is_empty(rules) || t->tunnel || transaction_request(t)->method == HTTP_HEAD)
		return true;
	transaction_set_reply_facts(t);
	max = size_rules_find(rules, &t->facts, VALUE_UNLIMITED);
	if (max == VALUE_UNLIMITED)
		return true;
	if (bytes < 0)
		t->exchange.reply.cut_at = max > 0 ? (uint64_t)max : 1;
	return bytes <= max;
}

static enum transaction_state run_reply_access(struct transaction *t)
{
	struct acl_result result = {0};

	if (!is_within_reply_limit(t)) {
		t->tag = LOG_TCP_DENIED_REPLY;
		return transaction_refuse(t, 403, ERROR_TOO_BIG);
	}

	if (transaction_config(t)->http_reply_access) {
		transaction_set_reply_facts(t);
		switch (access_ask(t, transaction_config(t)->http_reply_access, ACL_ALLOW,
		                   &result)) {
		case ACL_NEED:
			return TRANSACTION_REPLY_ACCESS;
		case ACL_DENY:
			return reply_denied(t, &result, LOG_TCP_DENIED_REPLY, ERROR_ACCESS_DENIED);
		case ACL_ALLOW:
			break;
		}
	}
	if (t->tunnel)
		return reply_tunnel(t);
	transaction_show_codings(t);
	transaction_choose_coding(t);
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
	[TRANSACTION_FORWARDED] = {"forwarded", transaction_run_forwarded},
	[TRANSACTION_HTTP_ACCESS] = {"http-access", run_http_access},
	[TRANSACTION_REWRITE] = {"rewrite", transaction_run_rewrite},
	[TRANSACTION_ADAPTED_ACCESS] = {"adapted-access", transaction_run_adapted_access},
	[TRANSACTION_STORE_ID] = {"store-id", transaction_run_store_id},
	[TRANSACTION_CACHE_ACCESS] = {"cache-access", transaction_run_cache_access},
	[TRANSACTION_LOOKUP] = {"lookup", transaction_run_lookup},
	[TRANSACTION_JOIN] = {"join", transaction_run_join},
	[TRANSACTION_DECIDE] = {"decide", transaction_run_decide},
	[TRANSACTION_FETCH] = {"fetch", transaction_run_fetch},
	[TRANSACTION_REPLY_ACCESS] = {"reply-access", run_reply_access},
	[TRANSACTION_REPLIED] = {"replied", run_replied},
};

static void run(struct transaction *t)
{
	check(!t->is_running);
	t->is_running = true;
	for (;;) {
		enum transaction_state next = steps[t->state].run(t);

		if (t->trace)
			transaction_trace_step(t, next);
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

struct transaction *transaction_create(struct worker *worker, struct snapshot *snapshot)
{
	struct list *node = spares_take(&worker->transactions);
	struct transaction *t = node ? CONTAINER(node, struct transaction, node)
				     : mem_alloc(sizeof(*t));

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

bool transaction_view(const struct exchange *exchange, struct transaction_view *out)
{
	const struct transaction *t = CONTAINER(exchange, const struct transaction, exchange);

	*out = (struct transaction_view){.url = t->error_url ? str_of(t->error_url) : t->url,
					 .user = t->user,
					 .tag = log_tag_name(t->tag),
					 .began_us = t->began_us};
	return t->is_begun;
}

void transaction_keep_head(struct transaction *t)
{
	struct http_head *head = &t->exchange.request.head;

	head->base = arena_str(&t->arena, (struct str){head->base, head->len}).at;
}

struct str transaction_keep(struct transaction *t, struct str text)
{
	return arena_str(&t->arena, text);
}

void *transaction_alloc(struct transaction *t, size_t size)
{
	return arena_alloc(&t->arena, size);
}

static void begin(struct transaction *t)
{
	t->is_begun = true;
	worker_ref_snapshot(t->worker, t->snapshot);
	t->start_us = loop_wall_us(t->worker->loop);
	t->began_us = loop_mono_us(t->worker->loop);
	access_init_facts(t);
	if (tracer_is_on(&t->worker->server->tracer))
		transaction_trace_begin(t);
	if (!t->is_background && !transaction_config(t)->stats_collection)
		t->worker->counters.client_requests++;
}

void transaction_begin(struct transaction *t)
{
	begin(t);
	run(t);
}

void transaction_begin_fetch(struct transaction *t)
{
	begin(t);
	access_set_url_facts(t);
	t->state = TRANSACTION_FETCH;
	run(t);
}

/* For the log: what was asked, as far as the lines before the bad one tell. */
static void name_refused(struct transaction *t, const struct refusal *refusal)
{
	const struct h1_request_line *line = refusal->line;
	enum port_url_verdict verdict;

	t->error_url = refusal->url;
	if (!line)
		return;
	t->refused = *line;
	t->refused.method = arena_str(&t->arena, line->method);
	t->refused.target = STR_NONE; /* it is in the URL */
	if (refusal->keeps_url || !line->target.at)
		return;
	t->error_url = NULL;
	if (make_url(t, line->target, &verdict))
		access_set_url_facts(t);
	else
		t->error_url = arena_str(&t->arena, line->target).at;
}

void transaction_begin_refused(struct transaction *t, const struct refusal *refusal)
{
	t->is_refused = true;
	begin(t);
	name_refused(t, refusal);
	log_say(2, "refused a request: %s", refusal->why);
	t->state = transaction_refuse(t, refusal->status, error_name_of(str_of(refusal->error)));
	run(t);
}

bool transaction_has_reply(const struct transaction *t)
{
	return t->is_reply_ready;
}

void transaction_body_wake(struct transaction *t)
{
	if (t->tunnel)
		tunnel_wake(t->tunnel);
	else if (t->fetch)
		fetch_body_wake(t->fetch);
	else if (t->waiting & WAIT_FORM)
		loop_defer(t->worker->loop, &t->form_task);
}

static void release(struct transaction *t)
{
	struct worker *worker = t->worker;
	struct list *surplus;

	if (t->form.at)
		loop_task_cancel(&t->form_task);
	if (t->waiting & WAIT_DISK) {
		timer_cancel(&t->disk_timer);
		disk_query_cancel(&t->disk);
	}
	timer_cancel(&t->join_timer);
	helper_request_fini(&t->rewrite);
	helper_request_fini(&t->store_id);
	access_cancel(t);
	pace_stop(t->exchange.reply.pace);
	object_reader_close(&t->exchange.reply.reader);
	object_reader_close(&t->hold);
	fetch_detach(t->fetch);
	tunnel_destroy(t->tunnel);
	transaction_drop_part(t);
	transaction_drop_variants(t);
	recoder_destroy(t->recoder);
	object_unref(t->object);
	object_unref(t->uncoded);
	object_unref(t->known);
	object_unref(t->given_up);
	if (t->is_begun)
		worker_unref_snapshot(worker, t->snapshot);
	arena_fini(&t->arena);
	spares_give(&worker->transactions, &t->node);
	while ((surplus = spares_surplus(&worker->transactions)))
		mem_free(CONTAINER(surplus, struct transaction, node));
}

void transaction_end(struct transaction *t, bool is_complete)
{
	if (t->fetch)
		t->report = *fetch_report(t->fetch);
	transaction_show_codings(t);
	if (t->trace)
		transaction_trace_end(t, is_complete);
	if (t->snapshot->bans)
		transaction_count_for_bans(t);
	transaction_log(t, is_complete);
	transaction_promote(t);
	release(t);
}

void transaction_end_without_request(struct transaction *t, size_t nbytes)
{
	t->exchange.request_bytes = nbytes;
	t->is_refused = true;
	t->error_url = "error:transaction-end-before-headers";
	begin(t);
	if (t->trace)
		transaction_trace_end(t, true);
	transaction_log(t, true);
	release(t);
}

void transaction_free_spare(struct worker *worker)
{
	struct list *node;

	while ((node = list_pop_front(&worker->transactions.list)))
		mem_free(CONTAINER(node, struct transaction, node));
}

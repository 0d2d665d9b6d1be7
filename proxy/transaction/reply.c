/* SPDX-License-Identifier: BSD-2-Clause */
/* What the client gets. A hit sends the object's ready-made head, a few lines that are its own (Age,
 * X-Cache, Via, framing) and the body, without copying the first or the last. */
#include <inttypes.h>
#include <stdio.h>

#include "cache/object.h"
#include "cache/revalidate.h"
#include "lib/base/check.h"
#include "lib/http/h1.h"
#include "proxy/manager/pen.h"
#include "proxy/session/bandwidth.h"
#include "proxy/transaction/act_as_origin.h"
#include "proxy/transaction/cache_status.h"
#include "proxy/transaction/header_additions.h"
#include "proxy/transaction/reply_internal.h"
#include "proxy/transaction/security_headers.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/deny_info.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/ports.h"

enum {
	OWN_LINES_BYTES = 256,  /* Age, Warning, framing, Connection and the empty line */
	PAGE_MAX_BYTES = ERROR_PAGE_MAX_BYTES,
	HEAD_MAX_BYTES = 1 << 20,
};

/* ---- pieces of a reply */

void reply_add_piece(struct reply *reply, struct str piece)
{
	if (piece.len == 0)
		return;
	check(reply->nhead < REPLY_MAX_PIECES);
	reply->head[reply->nhead++] = (struct iovec){(void *)piece.at, piece.len};
}

static struct str x_cache_lines(const struct transaction *t)
{
	return t->snapshot->reply_lines[t->is_hit][t->lookup];
}

/* Also settles whether the connection goes on. */
static struct str connection_line(struct transaction *t, int status)
{
	struct reply *reply = &t->exchange.reply;

	if (status >= 400 && !transaction_config(t)->persistent_connection_after_error)
		reply->close_after = true;
	return t->exchange.may_keep_alive && !reply->close_after
		       ? STR("Connection: keep-alive\r\n\r\n")
		       : STR("Connection: close\r\n\r\n");
}

/* object: whose head it goes behind; NULL: one of ours. */
static struct str security_lines(const struct transaction *t, struct object *object)
{
	const struct port *port = t->exchange.port;

	return security_headers_lines(t->snapshot->security_headers, object, port && port->is_tls);
}

static struct str stale_warning(const struct transaction *t)
{
	if (t->tag == LOG_TCP_REFRESH_FAIL_OLD)
		return STR("Warning: 111 bobtail \"Revalidation failed\"\r\n");
	if (t->freshness.verdict == FRESHNESS_SERVE_STALE ||
	    t->freshness.verdict == FRESHNESS_SERVE_AND_RENEW)
		return STR("Warning: 110 bobtail \"Response is stale\"\r\n");
	return STR("");
}

static bool acts_as_origin(const struct transaction *t)
{
	return t->is_hit && t->exchange.port->is_act_as_origin;
}

static struct str last_line(struct str head)
{
	size_t at = head.len > 0 ? head.len - 1 : 0;

	while (at > 0 && head.at[at - 1] != '\n')
		at--;
	return str_from(head, at);
}

/* RFC 9110 §7.6.3: one Via, as in Squid. */
static struct str open_via(struct transaction *t, struct str head)
{
	t->is_via_open = transaction_config(t)->via &&
			 str_starts_with_nocase(last_line(head), STR("Via:"));
	return t->is_via_open ? str_first(head, head.len - 2) : head;
}

struct str reply_shown_head(struct transaction *t, struct str head)
{
	if (acts_as_origin(t))
		head = act_as_origin(head, worker_now_s(t->worker), &t->arena);
	return open_via(t, head);
}

/* RFC 9110 §6.5.1: to who asks for them. */
static bool takes_trailers(const struct http_request *request)
{
	return request->minor >= 1 && http_list_has(&request->head, FIELD_TE, STR("trailers"));
}

/* They need chunks, whatever is known of the length. */
static bool has_trailers(const struct transaction *t)
{
	return t->exchange.reply.takes_trailers &&
	       object_state(t->object) == OBJECT_COMPLETE && t->object->trailers.len > 0;
}

/* How the body goes out. Returns its length for Content-Length, or -1: no such line. */
static int64_t frame_body(struct transaction *t, int status)
{
	const struct http_request *request = &t->exchange.request;
	struct reply *reply = &t->exchange.reply;
	int64_t length = t->object->body_bytes;

	if (object_state(t->object) == OBJECT_COMPLETE)
		length = (int64_t)atomic_load_explicit(&t->object->length_, memory_order_acquire);
	if (status == 204 || status == 304 || status < 200)
		return -1;
	if (request->method == HTTP_HEAD)
		return t->is_hit ? length : -1;
	reply->has_body = length != 0;
	reply->body_left = UINT64_MAX;
	reply->takes_trailers = takes_trailers(request);
	if (length >= 0 && !(reply->has_body && has_trailers(t)))
		return length;
	reply->is_chunked = request->minor >= 1;
	reply->close_after |= !reply->is_chunked;
	return -1;
}

struct str reply_own_lines(struct transaction *t, int status, int64_t length, struct str extra)
{
	struct str x_cache = x_cache_lines(t);
	struct str via = t->is_via_open ? t->snapshot->via_joint : t->snapshot->via_line;
	struct str security = security_lines(t, t->object);
	char *memory = arena_alloc(&t->arena, OWN_LINES_BYTES + x_cache.len + via.len + extra.len +
						      security.len + t->vary_line.len +
						      t->auth_line.len + cache_status_bytes(t));
	struct pen pen = {memory};

	if (t->is_via_open)
		pen_put(&pen, via);
	if (t->is_hit) {
		pen_put(&pen, acts_as_origin(t) ? STR("X-Cache-Age: ") : STR("Age: "));
		pen_put_number(&pen, (uint64_t)freshness_age_s(&t->object->facts,
							   worker_now_s(t->worker)));
		pen_put(&pen, STR("\r\n"));
		pen_put(&pen, stale_warning(t));
	}
	cache_status_write(t, &pen);
	pen_put(&pen, x_cache);
	if (!t->is_via_open)
		pen_put(&pen, via);
	pen_put(&pen, extra);
	pen_put(&pen, security);
	pen_put(&pen, t->vary_line);
	pen_put(&pen, t->auth_line);
	if (length >= 0) {
		pen_put(&pen, STR("Content-Length: "));
		pen_put_number(&pen, (uint64_t)length);
		pen_put(&pen, STR("\r\n"));
	}
	if (t->exchange.reply.is_chunked)
		pen_put(&pen, STR("Transfer-Encoding: chunked\r\n"));
	pen_put(&pen, connection_line(t, status));
	return (struct str){memory, (size_t)(pen.at - memory)};
}

/* ---- reply_header_access and its family: the slow way */

static bool is_framing(enum http_field_id id)
{
	return id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING ||
	       id == FIELD_CONNECTION || id == FIELD_UPGRADE;
}

static void filter_field(struct transaction *t, const struct http_head *head,
			 const struct http_field *field, struct buf *out)
{
	const struct header_rules *rules = snapshot_config(t->snapshot)->reply_headers;
	struct str name = http_field_name(head, field), value = http_field_value(head, field);
	struct str replacement = STR_NONE;

	if (!is_framing(field->id) &&
	    !header_rules_allows(rules, field->id, name, &t->facts, &replacement)) {
		if (!replacement.at)
			return;
		value = replacement;
	}
	buf_add_str(out, name);
	buf_add_str(out, STR(": "));
	buf_add_str(out, value);
	buf_add_str(out, STR("\r\n"));
}

static void filter_head(struct transaction *t, char *text, size_t len, struct buf *out)
{
	const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES};
	struct http_response *response = arena_alloc(&t->arena, sizeof(*response));
	struct h1_parser parser = {0};
	struct str line = str_first((struct str){text, len},
				    str_find_char((struct str){text, len}, '\n') + 1);

	if (h1_parse_response(&parser, text, len, &limits, HTTP_HEAD, response) != H1_DONE) {
		buf_add(out, text, len);
		return;
	}
	buf_add_str(out, line);
	for (unsigned i = 0; i < response->head.nfields; i++)
		filter_field(t, &response->head, &response->head.fields[i], out);
	if (t->snapshot->reply_additions)
		header_additions_write(t->snapshot->reply_additions, &t->facts,
				       transaction_log_facts(t), out);
	buf_add_str(out, STR("\r\n"));
}

static void apply_rules(struct transaction *t)
{
	struct reply *reply = &t->exchange.reply;
	struct buf all, out;

	buf_init(&all, HEAD_MAX_BYTES);
	buf_init(&out, HEAD_MAX_BYTES);
	for (int i = 0; i < reply->nhead; i++)
		buf_add(&all, reply->head[i].iov_base, reply->head[i].iov_len);
	filter_head(t, all.at, all.len, &out);
	reply->nhead = 0;
	reply_add_piece(reply, arena_str(&t->arena, buf_str(&out)));
	buf_fini(&all);
	buf_fini(&out);
}

static void reply_woke(void *owner)
{
	struct transaction *t = owner;

	t->exchange.ops->reply_ready(&t->exchange);
}

/* delay_pools and its like. */
static void set_pace(struct transaction *t)
{
	bool is_indirect =
		t->is_indirect && transaction_config(t)->delay_pool_uses_indirect_client;
	const struct pace_order order = {
		.loop = t->worker->loop,
		.arena = &t->arena,
		.facts = &t->facts,
		.client = is_indirect ? &t->indirect : &t->exchange.client,
		.is_hit = t->is_hit,
		.resume = reply_woke,
		.owner = t,
	};

	transaction_set_reply_facts(t);
	t->exchange.reply.pace = bandwidth_pace(t->snapshot->bandwidth, &order);
}

enum transaction_state reply_finish(struct transaction *t, int status)
{
	struct reply *reply = &t->exchange.reply;

	reply->status = status;
	if (t->snapshot->has_reply_rules || t->snapshot->reply_additions)
		apply_rules(t);
	for (int i = 0; i < reply->nhead; i++)
		reply->head_bytes += reply->head[i].iov_len;
	if (t->snapshot->bandwidth && reply->has_body && !t->is_background)
		set_pace(t);
	if (t->fetch)
		fetch_release_body(t->fetch);
	return TRANSACTION_REPLIED;
}

/* ---- from an object */

void reply_open_reader(struct transaction *t, uint64_t offset)
{
	transaction_start_recoder(t);
	object_reader_open(&t->exchange.reply.reader, t->object, offset, t->worker->loop,
			   reply_woke, t);
	object_reader_close(&t->hold);
}

static enum transaction_state reply_whole(struct transaction *t)
{
	struct reply *reply = &t->exchange.reply;
	struct str head = reply_shown_head(t, t->object->head);
	size_t line = 0;

	if (!t->is_hit && t->object->head_once.len > 0) {
		line = str_find_char(head, '\n') + 1;
		reply_add_piece(reply, str_first(head, line));
		reply_add_piece(reply, t->object->head_once);
	}
	reply_add_piece(reply, str_from(head, line));
	reply_add_piece(reply, reply_own_lines(t, t->object->status,
					       frame_body(t, t->object->status), STR("")));
	if (reply->has_body)
		reply_open_reader(t, 0);
	return reply_finish(t, t->object->status);
}

enum transaction_state reply_object(struct transaction *t)
{
	struct range_plan plan;

	if (t->part.span.len > 0)
		return reply_part(t);
	if (http_has(&t->exchange.request.head, FIELD_RANGE) && reply_plan_range(t, &plan))
		return reply_range(t, &plan);
	return reply_whole(t);
}

static enum transaction_state reply_304(struct transaction *t)
{
	const struct http_head *head = &t->exchange.request.head;
	struct buf lines;

	buf_init(&lines, HEAD_MAX_BYTES);
	revalidate_304_head(t->object, &lines);
	reply_add_piece(&t->exchange.reply, reply_shown_head(t, arena_str(&t->arena, buf_str(&lines))));
	reply_add_piece(&t->exchange.reply, reply_own_lines(t, 304, -1, STR("")));
	buf_fini(&lines);
	if (t->tag == LOG_TCP_MEM_HIT || t->tag == LOG_TCP_HIT)
		t->tag = http_has(head, FIELD_IF_NONE_MATCH) ? LOG_TCP_INM_HIT : LOG_TCP_IMS_HIT;
	return reply_finish(t, 304);
}

enum transaction_state reply_stored(struct transaction *t)
{
	switch (revalidate_answer(&t->exchange.request, t->object)) {
	case REVALIDATE_SEND_304:
		return reply_304(t);
	case REVALIDATE_SEND_412:
		return reply_error(t, 412, ERROR_PRECONDITION_FAILED, 0);
	case REVALIDATE_SEND_WHOLE:
		break;
	}
	return reply_object(t);
}

/* ---- made here */

static void fill_error_facts(struct transaction *t, struct error_facts *facts,
			     struct log_request *request)
{
	const struct config *config = snapshot_config(t->snapshot);

	transaction_fill_log_request(t, request);
	*facts = (struct error_facts){
		.name = t->error,
		.error_number = t->error_number,
		.detail = str_of(t->report.tls_error),
		.log = transaction_log_facts(t),
		.client = &t->exchange.client,
		.local = &t->exchange.local,
		.server = t->report.has_server ? &t->report.server : NULL,
		.server_host = t->facts.host,
		.visible_hostname = str_of(config->visible_hostname),
		.user = t->user,
		.external_message = t->external_message,
		.request = request,
		.cache_mgr = str_of(config->cache_mgr),
		.err_html_text = str_of(config->err_html_text),
		.software = t->snapshot->software,
		.has_email_data = config->email_err_data,
		.now_us = loop_wall_us(t->worker->loop),
	};
}

static struct str cache_status_line(struct transaction *t)
{
	char *memory = arena_alloc(&t->arena, cache_status_bytes(t));
	struct pen pen = {memory};

	cache_status_write(t, &pen);
	return (struct str){memory, (size_t)(pen.at - memory)};
}

static void put_status_line(struct buf *out, int status)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
}

/* head holds lines up to X-Squid-Error and its like; the rest follows, then the body. */
static enum transaction_state finish_made(struct transaction *t, int status, struct buf *head,
					  struct str body)
{
	struct reply *reply = &t->exchange.reply;

	reply->nhead = 0;
	reply->has_body = false;
	object_reader_close(&reply->reader);
	reply->close_after |= t->is_refused;
	buf_add_str(head, cache_status_line(t));
	buf_add_str(head, x_cache_lines(t));
	buf_add_str(head, t->snapshot->via_line);
	buf_add_str(head, security_lines(t, NULL));
	buf_add_str(head, connection_line(t, status));
	reply_add_piece(reply, arena_str(&t->arena, buf_str(head)));
	reply_finish(t, status);
	if (!t->is_refused && t->exchange.request.method == HTTP_HEAD)
		return TRANSACTION_REPLIED;
	reply_add_piece(reply, body);
	return TRANSACTION_REPLIED;
}

static void add_challenge(struct transaction *t, struct buf *head)
{
	if (!t->challenge.at) {
		transaction_add_challenges(t, head);
		return;
	}
	buf_add_str(head, STR("WWW-Authenticate: "));
	buf_add_str(head, t->challenge);
	buf_add_str(head, STR("\r\n"));
}

/* info: the deny_info line that names the page; NULL (or one that names none): the error's own. */
static enum transaction_state reply_page(struct transaction *t, int status,
					 const struct deny_info *info)
{
	const struct config *config = snapshot_config(t->snapshot);
	struct log_request request;
	struct error_facts facts;
	const struct error_template *page;
	struct buf body, head;

	t->is_hit = false;
	fill_error_facts(t, &facts, &request);
	buf_init(&body, PAGE_MAX_BYTES);
	buf_init(&head, HEAD_MAX_BYTES);
	page = config->error_pages->builtin[t->error];
	if (info && info->kind == DENY_PAGE) {
		facts.page = arena_str(&t->arena, info->spec).at;
		page = info->page;
	}
	page = error_template_in(page, reply_page_language(t));
	error_template_render(config->error_pages, page, &facts, &body);
	put_status_line(&head, status);
	error_page_head(config->error_pages, page, &facts, body.len, &head);
	if (status == 401)
		add_challenge(t, &head);
	if (t->retry_after_s > 0)
		buf_printf(&head, "Retry-After: %" PRId64 "\r\n", t->retry_after_s);
	finish_made(t, status, &head, arena_str(&t->arena, buf_str(&body)));
	buf_fini(&body);
	buf_fini(&head);
	return TRANSACTION_REPLIED;
}

enum transaction_state reply_error(struct transaction *t, int status, enum error_name error,
				   int number)
{
	t->error = error;
	t->error_number = number;
	return reply_page(t, status, NULL);
}

/* What Squid says of a reply without a body differs by what made it. */
enum made_fields {
	MADE_PLAIN,
	MADE_MIME,       /* Mime-Version */
	MADE_MIME_TYPED, /* and the Content-Type of an error page */
};

static void put_made_head(struct transaction *t, struct buf *head, int status,
			  enum made_fields fields)
{
	put_status_line(head, status);
	buf_add_str(head, STR("Server: "));
	buf_add_str(head, t->snapshot->software);
	if (fields >= MADE_MIME)
		buf_add_str(head, STR("\r\nMime-Version: 1.0"));
	buf_add_str(head, STR("\r\nDate: "));
	buf_add_str(head, worker_date(t->worker));
	if (fields >= MADE_MIME_TYPED)
		buf_add_str(head, STR("\r\nContent-Type: text/html;charset=utf-8"));
	buf_add_str(head, STR("\r\nContent-Length: 0\r\n"));
}

static enum transaction_state made_empty(struct transaction *t, int status,
					 enum made_fields fields, struct str extra)
{
	struct buf head;

	buf_init(&head, HEAD_MAX_BYTES);
	put_made_head(t, &head, status, fields);
	buf_add_str(&head, extra);
	finish_made(t, status, &head, STR(""));
	buf_fini(&head);
	return TRANSACTION_REPLIED;
}

enum transaction_state reply_empty(struct transaction *t, int status)
{
	t->tag = LOG_TCP_MISS;
	return made_empty(t, status, MADE_MIME, STR(""));
}

enum transaction_state reply_made_empty(struct transaction *t, int status, struct str extra)
{
	return made_empty(t, status, MADE_PLAIN, extra);
}

enum transaction_state reply_text(struct transaction *t, int status, struct str body)
{
	struct buf head;

	t->is_hit = false;
	buf_init(&head, HEAD_MAX_BYTES);
	put_status_line(&head, status);
	buf_add_str(&head, STR("Server: "));
	buf_add_str(&head, t->snapshot->software);
	buf_add_str(&head, STR("\r\nDate: "));
	buf_add_str(&head, worker_date(t->worker));
	buf_add_str(&head, STR("\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"));
	buf_printf(&head, "Content-Length: %zu\r\n", body.len);
	finish_made(t, status, &head, arena_str(&t->arena, body));
	buf_fini(&head);
	return TRANSACTION_REPLIED;
}

static enum transaction_state redirect(struct transaction *t, int status, struct str location,
				       const struct deny_info *info)
{
	struct buf head;

	t->is_hit = false;
	buf_init(&head, HEAD_MAX_BYTES);
	put_made_head(t, &head, status, info ? MADE_MIME_TYPED : MADE_PLAIN);
	buf_add_str(&head, STR("Location: "));
	buf_add_str(&head, location);
	buf_add_str(&head, STR("\r\n"));
	if (info) {
		buf_add_str(&head, STR("X-Squid-Error: "));
		deny_info_error_value(info, &head);
		buf_add_str(&head, STR("\r\n"));
	}
	finish_made(t, status, &head, STR(""));
	buf_fini(&head);
	return TRANSACTION_REPLIED;
}

enum transaction_state reply_redirect(struct transaction *t, int status, struct str location)
{
	return redirect(t, status, location, NULL);
}

/* ---- denials */

static enum transaction_state deny_with_redirect(struct transaction *t,
						 const struct deny_info *info)
{
	const struct config *config = snapshot_config(t->snapshot);
	const struct http_request *request = &t->exchange.request;
	struct log_request logged;
	struct error_facts facts;
	struct buf location;
	enum transaction_state next;

	fill_error_facts(t, &facts, &logged);
	buf_init(&location, HEAD_MAX_BYTES / 2);
	deny_info_location(info, config->error_pages, &facts, &location);
	next = redirect(t, deny_info_status(info, request->method, request->minor),
			buf_str(&location), info);
	buf_fini(&location);
	return next;
}

enum transaction_state reply_denied(struct transaction *t, const struct acl_result *result,
				    enum log_tag tag, enum error_name error)
{
	const struct config *config = snapshot_config(t->snapshot);
	const struct deny_info *info = NULL;
	const struct http_request *request = &t->exchange.request;

	t->tag = tag;
	t->error = error;
	if (result->last_acl)
		transaction_note_denial(t, "rule",
					result->line ? str_of(result->line)
						     : STR("no line allows it"));
	if (t->lacks_helper) {
		t->error = ERROR_GATEWAY_FAILURE;
		return reply_page(t, 503, NULL);
	}
	if (result->last_acl)
		info = deny_infos_find(config->deny_infos, str_of(result->last_acl));
	if (result->is_auth_required || result->is_rechallenge) {
		t->error = ERROR_CACHE_ACCESS_DENIED;
		return reply_page(t, 401, info);
	}
	if (!info)
		return reply_page(t, 403, NULL);
	t->deny_info = info;
	switch (info->kind) {
	case DENY_RESET:
		t->exchange.reply.reset = true;
		return TRANSACTION_REPLIED;
	case DENY_REDIRECT:
		return deny_with_redirect(t, info);
	case DENY_PAGE:
		break;
	}
	return reply_page(t, deny_info_status(info, request->method, request->minor), info);
}

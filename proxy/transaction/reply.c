/* SPDX-License-Identifier: BSD-2-Clause */
/* What the client gets. A hit sends the object's ready-made head, a few lines that are its own
 * (Age, X-Cache, Via, framing) and the body, without copying the first or the last. */
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
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/ports.h"

enum {
	OWN_LINES_BYTES = 256,  /* Age, Warning, framing, Connection and the empty line */
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

struct str reply_x_cache_lines(const struct transaction *t)
{
	return t->snapshot->reply_lines[t->is_hit][t->lookup];
}

struct str reply_connection_line(struct transaction *t, int status)
{
	struct reply *reply = &t->exchange.reply;

	if (status >= 400 && !transaction_config(t)->persistent_connection_after_error)
		reply->close_after = true;
	return t->exchange.may_keep_alive && !reply->close_after
		       ? STR("Connection: keep-alive\r\n\r\n")
		       : STR("Connection: close\r\n\r\n");
}

struct str reply_security_lines(const struct transaction *t, struct object *object)
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
	struct str x_cache = reply_x_cache_lines(t);
	struct str via = t->is_via_open ? t->snapshot->via_joint : t->snapshot->via_line;
	struct str security = reply_security_lines(t, t->object);
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
	pen_put(&pen, reply_connection_line(t, status));
	return (struct str){memory, (size_t)(pen.at - memory)};
}

/* ---- reply_header_access and its family: the slow way */

static bool is_framing(enum http_field_id id)
{
	return id == FIELD_CONTENT_LENGTH || id == FIELD_CONTENT_RANGE ||
	       id == FIELD_TRANSFER_ENCODING || id == FIELD_CONNECTION || id == FIELD_UPGRADE;
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
	t->exchange.reply.was_dear = t->is_hit && t->is_from_disk;
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
	reply_add_piece(&t->exchange.reply,
	                reply_shown_head(t, arena_str(&t->arena, buf_str(&lines))));
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

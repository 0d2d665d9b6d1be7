/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that no origin made: error pages, redirects, denials, and what has no body. */
#include <inttypes.h>
#include <stdio.h>

#include "cache/object.h"
#include "helpers/line.h"
#include "proxy/manager/pen.h"
#include "proxy/transaction/cache_status.h"
#include "proxy/transaction/reply_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/pages/deny_info.h"

enum {
	PAGE_MAX_BYTES = ERROR_PAGE_MAX_BYTES,
	HEAD_MAX_BYTES = 1 << 20,
};

/* What the helper says to who is refused. */
static struct str auth_message(const struct transaction *t)
{
	return t->auth_answer ? helper_reply_value(t->auth_answer->reply, STR("message"))
			      : STR_NONE;
}

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
		.auth_message = auth_message(t),
		.dns_message = str_of(t->report.dns_error),
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
	buf_add_str(head, reply_x_cache_lines(t));
	buf_add_str(head, t->snapshot->via_line);
	buf_add_str(head, reply_security_lines(t, NULL));
	buf_add_str(head, reply_connection_line(t, status));
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

/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that are for the cache manager, whatever port they came in: which action is asked for,
 * and by whom. Squid: internal.cc, cache_manager.cc as seen from outside. */
#include "helpers/credentials.h"
#include "lib/net/stream.h"
#include "proxy/manager/manager.h"
#include "proxy/manager/manager_page.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/cachemgr_passwd.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

#define INTERNAL STR("/squid-internal-")
#define MANAGER STR("/squid-internal-mgr/")
#define CACHE_OBJECT STR("cache_object://")

enum { OWN_URL_BYTES = 1 << 20, FORM_BYTES = 16384 };

/* ---- the URL */

static struct str url_span(const struct transaction *t, struct http_span span)
{
	return (struct str){t->url.at + span.at, span.len};
}

/* The path of a target in any of its forms. */
static struct str path_of(struct str target)
{
	size_t colon = str_find_char(target, ':');
	struct str rest = str_from(target, colon);

	if (target.len > 0 && target.at[0] == '/')
		return target;
	if (!str_starts_with(rest, STR("://")))
		return STR_NONE;
	rest = str_from(rest, 3);
	return str_from(str_first(rest, str_find_char(rest, '?')), str_find_char(rest, '/'));
}

static struct http_span span(size_t at, size_t len)
{
	return (struct http_span){(uint32_t)at, (uint32_t)len};
}

/* cache_object://HOST/ACTION[@PASSWORD]: the password goes nowhere else. */
static void make_cache_object_url(struct transaction *t, struct str target)
{
	size_t at = CACHE_OBJECT.len, len;
	struct str host = str_from(target, at), text;

	host.len = str_find_char(host, '/');
	len = at + host.len;
	text = str_from(target, len);
	t->manager_password = str_from(text, str_find_char(text, '@') + 1);
	text = str_first(target, len + str_find_char(text, '@'));
	t->parts = (struct port_url){
		.scheme = span(0, at - 3),
		.authority = span(at, host.len),
		.host = span(at, str_find_char(host, ':')),
		.path = span(len, text.len - len),
	};
	t->url = arena_str(&t->arena, text);
}

/* Squid: our own name, whatever the client called us. */
static bool make_internal_url(struct transaction *t, struct str path)
{
	const struct port *port = t->exchange.port;
	const char *hosts[] = {transaction_config(t)->visible_hostname, "localhost"};
	enum port_url_verdict verdict = PORT_URL_NO_SITE;
	struct buf text, *out = &t->worker->url_scratch;

	buf_init(&text, OWN_URL_BYTES);
	for (size_t i = 0; i < 2 && verdict != PORT_URL_OK; i++) {
		buf_clear(&text);
		buf_printf(&text, "http%s://%s:%u", port->is_https_url ? "s" : "", hosts[i],
			   addr_port(&port->addr));
		buf_add_str(&text, path);
		verdict = port_url_absolute(buf_str(&text), transaction_config(t)->url_rules, out,
					    &t->parts);
	}
	buf_fini(&text);
	if (verdict == PORT_URL_OK)
		t->url = arena_str(&t->arena, buf_str(out));
	return verdict == PORT_URL_OK;
}

bool transaction_make_internal_url(struct transaction *t, struct str target)
{
	if (str_starts_with_nocase(target, CACHE_OBJECT))
		make_cache_object_url(t, target);
	else if (!str_starts_with(path_of(target), INTERNAL) ||
		 !make_internal_url(t, path_of(target)))
		return false;
	t->is_internal = true;
	t->client_url = t->url;
	t->client_parts = t->parts;
	return true;
}

/* ---- who may */

/* A proxy before us speaks for somebody else. */
static bool is_local(const struct transaction *t)
{
	const struct http_head *head = &transaction_request(t)->head;

	return addr_is_loopback(&t->exchange.client) && !http_has(head, FIELD_VIA) &&
	       !http_has(head, FIELD_X_FORWARDED_FOR) && !http_has(head, FIELD_FORWARDED);
}

/* What the client gave: in the URL, or as Basic credentials of any user. */
static bool has_password(struct transaction *t, struct str action)
{
	const struct cachemgr_passwds *passwds = transaction_config(t)->cachemgr_passwds;
	struct str value = http_value(&transaction_request(t)->head, FIELD_AUTHORIZATION);
	struct credentials *credentials = arena_alloc(&t->arena, sizeof(*credentials));

	if (t->manager_password.len > 0)
		return cachemgr_password_is(passwds, action, t->manager_password);
	return value.at && credentials_read(value, 0, credentials) &&
	       cachemgr_password_is(passwds, action, credentials->pass);
}

static enum transaction_state ask_password(struct transaction *t, struct str action)
{
	t->challenge = arena_printf(&t->arena, "Basic realm=\"%.*s\"", STR_ARG(action));
	return transaction_refuse(t, 401, ERROR_CACHE_MGR_ACCESS_DENIED);
}

/* ---- the answer */

/* Nothing but our own files; no frame around them; no form for somebody else. */
#define BROWSER_LINES                                                                              \
	"Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; "       \
	"connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "                \
	"frame-ancestors 'none'\r\n"                                                               \
	"X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"                             \
	"Referrer-Policy: same-origin\r\nCache-Control: no-store\r\nVary: Accept\r\n"

static struct str make_head(struct transaction *t, const struct manager_action *action)
{
	struct str date = worker_date(t->worker);
	const char *type = action->content_type ? action->content_type : "text/plain;charset=utf-8";
	bool is_for_browsers = action->content_type && str_starts_with(str_of(type), STR("text/"));

	return arena_printf(&t->arena,
			    "HTTP/1.1 200 OK\r\nServer: %.*s\r\nMime-Version: 1.0\r\nDate: %.*s\r\n"
			    "Content-Type: %s\r\nExpires: %.*s\r\n"
			    "Last-Modified: %.*s\r\n%s",
			    STR_ARG(t->snapshot->software), STR_ARG(date), type, STR_ARG(date),
			    STR_ARG(date), is_for_browsers ? BROWSER_LINES : "");
}

/* May this client do what the action does, with what it gave? */
static bool may(struct transaction *t, struct str name)
{
	const struct cachemgr_passwds *passwds = transaction_config(t)->cachemgr_passwds;
	enum cachemgr_protection protection = cachemgr_protection(passwds, name, true);

	return protection == CACHEMGR_PUBLIC ||
	       (protection == CACHEMGR_PROTECTED && has_password(t, name));
}

static bool is_protected(const struct transaction *t, struct str name)
{
	return cachemgr_protection(transaction_config(t)->cachemgr_passwds, name, true) ==
	       CACHEMGR_PROTECTED;
}

static struct manager_question make_question(struct transaction *t)
{
	struct str credentials = http_value(&transaction_request(t)->head, FIELD_AUTHORIZATION);
	char *token = arena_alloc(&t->arena, MANAGER_TOKEN_BYTES);

	manager_token(t->worker->server->manager, credentials, token);
	return (struct manager_question){
		.form = t->form,
		.token = str_of(token),
		.may_purge = may(t, STR("purge")),
		.may_drain = may(t, STR("drain")),
		.may_sign_in = is_protected(t, STR("purge")) || is_protected(t, STR("drain")),
	};
}

/* ---- forms */

/* Origin: SCHEME "://" HOST [":" PORT], or "null". By TLS, a page of plain HTTP is none of ours,
 * since anybody on its way may have written it; a port of plain HTTP may stand behind somebody who
 * speaks TLS with the browser. */
static bool is_ours(const struct transaction *t, struct str origin)
{
	struct str host = http_value(&transaction_request(t)->head, FIELD_HOST);
	const struct port *port = t->exchange.port;
	size_t scheme = str_find_char(origin, ':');

	if (port && port->is_tls && !str_eq_nocase(str_first(origin, scheme), STR("https")))
		return false;
	return str_eq_nocase(str_from(origin, scheme + 3), host);
}

/* Browsers say where a form came from: it has to be a page of this very server. */
static bool is_from_us(const struct transaction *t)
{
	const struct http_head *head = &transaction_request(t)->head;
	const struct http_field *site = http_find_name(head, STR("Sec-Fetch-Site"), NULL);
	struct str origin = http_value(head, FIELD_ORIGIN);

	if (site && !str_eq(http_field_value(head, site), STR("same-origin")))
		return false;
	return !origin.at || is_ours(t, origin);
}

static void read_on(struct loop_task *task)
{
	struct transaction *t = CONTAINER(task, struct transaction, form_task);

	t->waiting &= ~(unsigned)WAIT_FORM;
	transaction_resume(t);
}

/* True: t->form is it, or *next says what else. */
static bool read_form(struct transaction *t, enum transaction_state *next)
{
	struct exchange *exchange = &t->exchange;
	ssize_t n = 1;

	if (!t->form.at) {
		t->form = (struct str){arena_zalloc(&t->arena, FORM_BYTES), 0};
		exchange->ops->send_continue(exchange);
	}
	while (n > 0 && t->form.len < FORM_BYTES && !exchange->is_body_read) {
		n = exchange->ops->read_body(exchange, (char *)(uintptr_t)t->form.at + t->form.len,
					     FORM_BYTES - t->form.len);
		t->form.len += n > 0 ? (size_t)n : 0;
	}
	t->waiting &= ~(unsigned)WAIT_FORM;
	t->form_task.run = read_on;
	if (n == STREAM_WAIT)
		t->waiting |= WAIT_FORM;
	if (exchange->is_body_read)
		return true;
	*next = n == STREAM_WAIT ? TRANSACTION_HTTP_ACCESS
				 : transaction_refuse(t, n < 0 ? 400 : 413, ERROR_INVALID_REQ);
	return false;
}

static enum transaction_state answer(struct transaction *t, const struct manager_action *action)
{
	const struct object_head head = {.status = 200, .head = make_head(t, action)};
	const struct manager_question question = make_question(t);

	if (transaction_request(t)->method == HTTP_HEAD)
		t->object = object_create_whole(&head, STR(""));
	else
		t->object = manager_ask(t->worker->server->manager, action, &question, head.head,
		                        &t->hold, t->worker->loop);
	return TRANSACTION_REPLY_ACCESS;
}

/* GET of what acts is how to sign in. */
static enum transaction_state answer_form(struct transaction *t,
					  const struct manager_action *action)
{
	enum http_method method = transaction_request(t)->method;
	enum transaction_state next;

	if (method == HTTP_GET || method == HTTP_HEAD)
		return reply_redirect(t, 303, MANAGER);
	if (method != HTTP_POST)
		return transaction_refuse(t, 405, ERROR_INVALID_REQ);
	if (!is_from_us(t))
		return transaction_refuse(t, 403, ERROR_ACCESS_DENIED);
	return read_form(t, &next) ? answer(t, action) : next;
}

/* Browsers say so; scripts say everything will do, or nothing. */
static bool wants_html(const struct transaction *t)
{
	const struct http_head *head = &transaction_request(t)->head;
	struct http_list list = {0};
	struct str element;

	while (http_list_next(head, FIELD_ACCEPT, &list, &element))
		if (str_starts_with_nocase(element, STR("text/html")))
			return true;
	return false;
}

/* Without its query; none is the menu, or the page that stands for it. */
static struct str action_of(const struct transaction *t)
{
	struct str path = url_span(t, t->parts.path);

	path = str_from(path, str_starts_with(path, MANAGER) ? MANAGER.len : 1);
	path = str_first(path, str_find_char(path, '?'));
	if (path.len > 0)
		return path;
	return wants_html(t) ? STR("status") : STR("index");
}

enum transaction_state transaction_run_manager(struct transaction *t)
{
	const struct config *config = transaction_config(t);
	bool is_manager = str_starts_with(url_span(t, t->parts.path), MANAGER) ||
			  str_starts_with_nocase(t->url, CACHE_OBJECT);
	const struct manager_action *action;
	struct str name;

	if (!t->snapshot->has_manager_rule && !is_local(t))
		return reply_denied(t, &(struct acl_result){0}, LOG_TCP_DENIED,
				    ERROR_ACCESS_DENIED);
	t->tag = LOG_TCP_MISS;
	if (!is_manager)
		return transaction_refuse(t, 404, ERROR_INVALID_REQ);
	action = manager_action_find(config, action_of(t));
	if (!action)
		return transaction_refuse(t, 404, ERROR_INVALID_URL);
	name = str_of(action->guard ? action->guard : action->name);
	switch (cachemgr_protection(config->cachemgr_passwds, name, action->needs_password)) {
	case CACHEMGR_HIDDEN:
	case CACHEMGR_DISABLED:
		return transaction_refuse(t, 404, ERROR_INVALID_URL);
	case CACHEMGR_PROTECTED:
		if (!has_password(t, name))
			return ask_password(t, name);
		break;
	case CACHEMGR_PUBLIC:
		break;
	}
	return action->is_post ? answer_form(t, action) : answer(t, action);
}

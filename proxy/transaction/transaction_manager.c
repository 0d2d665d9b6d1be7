/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that are for the cache manager, whatever port they came in: which action is asked for, and by
 * whom. Squid: internal.cc, cache_manager.cc as seen from outside. */
#include "helpers/credentials.h"
#include "lib/base/heap.h"
#include "lib/http/date.h"
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

enum { OWN_URL_BYTES = 1 << 20, REALM_BYTES = 128 };

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

static struct str make_head(struct transaction *t, const struct manager_action *action)
{
	struct str date = worker_date(t->worker);
	const char *type = action->content_type ? action->content_type : "text/plain;charset=utf-8";

	return arena_printf(&t->arena,
			    "HTTP/1.1 200 OK\r\nServer: %.*s\r\nMime-Version: 1.0\r\nDate: %.*s\r\n"
			    "Content-Type: %s\r\nExpires: %.*s\r\n"
			    "Last-Modified: %.*s\r\n",
			    STR_ARG(t->snapshot->software), STR_ARG(date), type, STR_ARG(date),
			    STR_ARG(date));
}

static enum transaction_state answer(struct transaction *t, const struct manager_action *action)
{
	const struct object_head head = {.status = 200, .head = make_head(t, action)};

	if (transaction_request(t)->method == HTTP_HEAD)
		t->object = object_create_whole(&head, STR(""));
	else
		t->object = manager_ask(t->worker->server->manager, action, head.head, &t->hold,
					t->worker->loop);
	return TRANSACTION_REPLY_ACCESS;
}

/* Without its query; none is the menu. */
static struct str action_of(const struct transaction *t)
{
	struct str path = url_span(t, t->parts.path);

	path = str_from(path, str_starts_with(path, MANAGER) ? MANAGER.len : 1);
	path = str_first(path, str_find_char(path, '?'));
	return path.len > 0 ? path : STR("index");
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
	name = str_of(action->name);
	switch (cachemgr_protection(config->cachemgr_passwds, name, action->needs_password)) {
	case CACHEMGR_HIDDEN:
	case CACHEMGR_DISABLED:
		return transaction_refuse(t, 404, ERROR_INVALID_URL);
	case CACHEMGR_PROTECTED:
		return has_password(t, name) ? answer(t, action) : ask_password(t, name);
	case CACHEMGR_PUBLIC:
		break;
	}
	return answer(t, action);
}

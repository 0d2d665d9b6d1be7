/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of a request to an origin: one new head made of validated spans of the client's, in the
 * client's order, with what Squid adds behind it. What a field needs is in a table by its id. */
#include "cache/cache_control.h"
#include "cache/key.h"
#include "cache/revalidate.h"
#include "lib/base/base64.h"
#include "lib/base/buf.h"
#include "lib/http/message.h"
#include "proxy/fetch/fetch.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/header_additions.h"
#include "squid-compat/config.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/peers.h"
#include "squid-compat/refresh_pattern.h"

enum field_use {
	USE_KEEP = 0,
	USE_DROP,        /* written anew, or of no business to an origin */
	USE_HOST,        /* ours, in its place */
	USE_FORWARDED,   /* X-Forwarded-For: by forwarded_for */
	USE_VIA,         /* part of ours; with via off, as it came */
	USE_CREDENTIALS, /* by the peer's login= */
	USE_PROXY_CREDENTIALS,
	USE_CONDITION,   /* dropped when a stored response is revalidated */
	USE_RANGE,       /* dropped when the whole is asked for, or a range of ours */
	USE_VALIDATOR,   /* the same, and by cache_miss_revalidate */
	USE_FRONT_END,   /* dropped when the peer's option sets it */
	USE_HOPS,        /* Max-Forwards: counted down, where it means something */
};

static const uint8_t uses[FIELD_ID_COUNT] = {
	[FIELD_AUTHORIZATION] = USE_CREDENTIALS,
	[FIELD_CONTENT_LENGTH] = USE_DROP,
	[FIELD_EXPECT] = USE_DROP,
	[FIELD_FRONT_END_HTTPS] = USE_FRONT_END,
	[FIELD_HOST] = USE_HOST,
	[FIELD_HTTP2_SETTINGS] = USE_DROP,
	[FIELD_IF_MATCH] = USE_CONDITION,
	[FIELD_IF_MODIFIED_SINCE] = USE_VALIDATOR,
	[FIELD_IF_NONE_MATCH] = USE_VALIDATOR,
	[FIELD_IF_RANGE] = USE_RANGE,
	[FIELD_IF_UNMODIFIED_SINCE] = USE_CONDITION,
	[FIELD_MAX_FORWARDS] = USE_HOPS,
	[FIELD_PROXY] = USE_DROP,
	[FIELD_PROXY_AUTHORIZATION] = USE_PROXY_CREDENTIALS,
	[FIELD_RANGE] = USE_RANGE,
	[FIELD_SURROGATE_CAPABILITY] = USE_DROP,
	[FIELD_VIA] = USE_VIA,
	[FIELD_X_FORWARDED_FOR] = USE_FORWARDED,
};

static const struct str websocket_key_name = {"Sec-WebSocket-Key", 17};

struct writer {
	const struct fetch_order *order;
	const struct config *config;
	const struct peer *peer;
	const struct http_request *request;
	struct buf *out;
};

static void add_line(struct writer *w, struct str name, struct str value)
{
	buf_add_str(w->out, name);
	buf_add_str(w->out, STR(": "));
	buf_add_str(w->out, value);
	buf_add_str(w->out, STR("\r\n"));
}

static void add_host(struct writer *w)
{
	struct str host = http_span(&(struct http_head){.base = w->order->url.at},
	                            w->order->parts->authority);

	if (w->order->client_host.at)
		host = w->order->client_host;
	if (w->peer && w->peer->forceddomain.at)
		host = w->peer->forceddomain;
	add_line(w, STR("Host"), host);
}

static bool passes_login(const struct peer *peer)
{
	return peer->login == PEER_LOGIN_PASS || peer->login == PEER_LOGIN_PASSTHRU ||
	       peer->login == PEER_LOGIN_PROXYPASS;
}

/* Those for the site: an originserver gets them only if its login= says so. */
static bool keeps_credentials(const struct peer *peer)
{
	return !peer || !peer->is_originserver || passes_login(peer);
}

/* Off, a cacheable miss is fetched whole, so that it can be stored. */
static bool keeps_validators(const struct writer *w)
{
	bool is_cacheable = w->order->may_store && cache_key_is_method_served(w->request->method) &&
	                    !http_has(&w->request->head, FIELD_AUTHORIZATION);

	return !fetch_order_is_conditional(w->order) &&
	       (w->config->cache_miss_revalidate || !is_cacheable);
}

static bool is_kept(struct writer *w, const struct http_field *field)
{
	switch ((enum field_use)uses[field->id]) {
	case USE_KEEP:
		return !http_is_hop_by_hop(&w->request->head, field);
	case USE_CREDENTIALS:
		return keeps_credentials(w->peer);
	case USE_PROXY_CREDENTIALS:
		return w->peer && !w->peer->is_originserver && passes_login(w->peer);
	case USE_CONDITION:
		return !fetch_order_is_conditional(w->order);
	case USE_RANGE:
		return !w->order->withholds_range && !w->order->fill.partial;
	case USE_VALIDATOR:
		return keeps_validators(w);
	case USE_FORWARDED:
		return w->config->forwarded_for == FORWARDED_FOR_TRANSPARENT;
	case USE_VIA:
		return !w->config->via;
	case USE_FRONT_END:
		return !w->peer || w->peer->front_end_https == PEER_FRONT_END_NONE;
	case USE_DROP:
	case USE_HOST:
	case USE_HOPS:
		break;
	}
	return false;
}

/* RFC 9110 §7.6.2: of OPTIONS and TRACE (which goes no further than here) alone. */
static void add_hops(struct writer *w)
{
	uint64_t left;

	if (w->request->method != HTTP_OPTIONS ||
	    !str_to_u64(http_value(&w->request->head, FIELD_MAX_FORWARDS), &left) || left == 0)
		return;
	buf_add_str(w->out, STR("Max-Forwards: "));
	buf_add_u64(w->out, left - 1);
	buf_add_str(w->out, STR("\r\n"));
}

/* By request_header_access. If not, *replacement is what to send instead, or STR_NONE. */
static bool may_send(struct writer *w, enum http_field_id id, struct str name,
                     struct str *replacement)
{
	return !w->order->snapshot->has_request_rules ||
	       header_rules_allows(w->config->request_headers, id, name, w->order->facts,
	                           replacement);
}

/* A field that we make passes the rules like any other. False: it was replaced or left out. */
static bool may_make(struct writer *w, enum http_field_id id)
{
	struct str replacement = STR_NONE;

	if (may_send(w, id, http_field_id_name(id), &replacement))
		return true;
	if (replacement.at)
		add_line(w, http_field_id_name(id), replacement);
	return false;
}

static void add_client_field(struct writer *w, const struct http_field *field)
{
	const struct http_head *head = &w->request->head;
	struct str name = http_field_name(head, field), value = http_field_value(head, field);
	struct str replacement = STR_NONE;

	if (!is_kept(w, field) ||
	    (w->order->websocket_key.at && str_eq_nocase(name, websocket_key_name)))
		return;
	if (may_send(w, field->id, name, &replacement))
		add_line(w, name, value);
	else if (replacement.at)
		add_line(w, name, replacement);
}

static void add_client_fields(struct writer *w)
{
	const struct http_head *head = &w->request->head;
	bool has_host = false;

	for (unsigned i = 0; i < head->nfields; i++) {
		const struct http_field *field = &head->fields[i];
		bool is_host = uses[field->id] == USE_HOST;

		if (is_host && !has_host)
			add_host(w);
		else if (uses[field->id] == USE_HOPS && field == http_find(head, field->id))
			add_hops(w);
		else if (!is_host)
			add_client_field(w, field);
		has_host |= is_host;
	}
	if (!has_host)
		add_host(w);
}

/* The name of an id, and all that was received of it, a ", " behind each. */
static void add_received(struct writer *w, enum http_field_id id)
{
	const struct http_head *head = &w->request->head;
	const struct http_field *field = NULL;

	buf_add_str(w->out, http_field_id_name(id));
	buf_add_str(w->out, STR(": "));
	while ((field = http_find_next(head, id, field))) {
		buf_add_str(w->out, http_field_value(head, field));
		buf_add_str(w->out, STR(", "));
	}
}

/* All fields of an id joined by ", ", then ours. */
static void add_joined(struct writer *w, enum http_field_id id, struct str ours)
{
	add_received(w, id);
	buf_add_str(w->out, ours);
	buf_add_str(w->out, STR("\r\n"));
}

/* Ours begins with the version that the client spoke: RFC 9110 §7.6.3. */
static void add_via(struct writer *w)
{
	const struct exchange *exchange = w->order->exchange;
	bool is_http2 = exchange && exchange->is_http2;
	struct str ours = w->order->snapshot->via_value;
	struct str version = is_http2 ? STR("2.0") : STR("1.0");

	if (w->request->minor > 0 && !is_http2) {
		add_joined(w, FIELD_VIA, ours);
		return;
	}
	add_received(w, FIELD_VIA);
	buf_add_str(w->out, version);
	buf_add_str(w->out, str_from(ours, version.len));
	buf_add_str(w->out, STR("\r\n"));
}

/* The address is always that of the TCP client. */
static void add_forwarded_for(struct writer *w)
{
	char ip[ADDR_TEXT_BYTES];
	const struct addr *addr = &w->order->exchange->client;
	/* "unknown": of a Unix socket */
	struct str client = addr_len(addr) > 0 ? str_of(addr_ip_text(addr, ip)) : STR("unknown");

	if (w->config->forwarded_for == FORWARDED_FOR_TRANSPARENT ||
	    w->config->forwarded_for == FORWARDED_FOR_DELETE ||
	    !may_make(w, FIELD_X_FORWARDED_FOR))
		return;
	switch (w->config->forwarded_for) {
	case FORWARDED_FOR_ON:
		add_joined(w, FIELD_X_FORWARDED_FOR, client);
		break;
	case FORWARDED_FOR_OFF:
		add_joined(w, FIELD_X_FORWARDED_FOR, STR("unknown"));
		break;
	case FORWARDED_FOR_TRUNCATE:
		add_line(w, STR("X-Forwarded-For"), client);
		break;
	case FORWARDED_FOR_TRANSPARENT:
	case FORWARDED_FOR_DELETE:
		break;
	}
}

/* login=PROXYPASS: what the client told the proxy is for the site. */
static void add_proxy_login(struct writer *w)
{
	struct str value = http_value(&w->request->head, FIELD_PROXY_AUTHORIZATION);

	if (w->peer->is_originserver && str_starts_with_nocase(value, STR("basic ")))
		add_line(w, http_field_id_name(FIELD_AUTHORIZATION), value);
}

/* login=user:pass and login=*:pass give the origin Basic credentials of ours. */
static void add_made_login(struct writer *w, enum http_field_id id)
{
	struct buf text;

	buf_init(&text, 4096);
	if (w->peer->login == PEER_LOGIN_USER)
		buf_add_str(&text, w->order->user.at ? w->order->user : STR("-"));
	buf_add_str(&text, w->peer->login_text);
	buf_add_str(w->out, http_field_id_name(id));
	buf_add_str(w->out, STR(": Basic "));
	base64_add(w->out, buf_str(&text));
	buf_add_str(w->out, STR("\r\n"));
	buf_fini(&text);
}

/* login=PASS: what the client sent, else what an external ACL said (user= password=). */
static void add_external_login(struct writer *w, enum http_field_id id)
{
	const struct fetch_order *order = w->order;
	struct buf text;

	if (order->external_user.len == 0 || order->external_password.len == 0 ||
	    http_has(&w->request->head, id) || !may_make(w, id))
		return;
	buf_init(&text, 2 * 8192 + 1);
	buf_add_str(&text, order->external_user);
	buf_add_char(&text, ':');
	buf_add_str(&text, order->external_password);
	buf_add_str(w->out, http_field_id_name(id));
	buf_add_str(w->out, STR(": Basic "));
	base64_add(w->out, buf_str(&text));
	buf_add_str(w->out, STR("\r\n"));
	buf_fini(&text);
}

static void add_login(struct writer *w)
{
	enum peer_login login = w->peer ? w->peer->login : PEER_LOGIN_NONE;
	enum http_field_id id = w->peer && w->peer->is_originserver ? FIELD_AUTHORIZATION
	                                                            : FIELD_PROXY_AUTHORIZATION;

	if (login == PEER_LOGIN_PASS)
		add_external_login(w, id);
	if (login != PEER_LOGIN_FIXED && login != PEER_LOGIN_USER && login != PEER_LOGIN_PROXYPASS)
		return;
	if (login == PEER_LOGIN_PROXYPASS && http_has(&w->request->head, id))
		return; /* sent as it came */
	if (!may_make(w, id))
		return;
	if (login == PEER_LOGIN_PROXYPASS)
		add_proxy_login(w);
	else
		add_made_login(w, id);
}

/* Squid adds the MAX of the matching refresh_pattern when the client said neither. */
static void add_cache_control(struct writer *w)
{
	const struct refresh_rule *rule;
	struct cache_control control;

	if (http_has(&w->request->head, FIELD_CACHE_CONTROL)) {
		cache_control_read(&w->request->head, &control);
		if (control.flags & (CC_MAX_AGE | CC_NO_CACHE))
			return;
	}
	if (!may_make(w, FIELD_CACHE_CONTROL))
		return;
	rule = refresh_rules_find(w->config->refresh, w->order->cache_url);
	buf_add_str(w->out, STR("Cache-Control: max-age="));
	buf_add_u64(w->out, (uint64_t)rule->max_s);
	buf_add_str(w->out, STR("\r\n"));
}

static void add_front_end(struct writer *w)
{
	enum peer_front_end_https option =
		w->peer ? w->peer->front_end_https : PEER_FRONT_END_NONE;

	if (option == PEER_FRONT_END_NONE ||
	    (option == PEER_FRONT_END_AUTO && !w->order->parts->is_https))
		return;
	if (may_make(w, FIELD_FRONT_END_HTTPS))
		buf_add_str(w->out, STR("Front-End-Https: On\r\n"));
}

static void add_framing(struct writer *w)
{
	if (w->request->body == HTTP_BODY_CHUNKED)
		buf_add_str(w->out, STR("Transfer-Encoding: chunked\r\n"));
	if (w->request->body != HTTP_BODY_LENGTH)
		return;
	buf_add_str(w->out, STR("Content-Length: "));
	buf_add_u64(w->out, w->request->content_length);
	buf_add_str(w->out, STR("\r\n"));
}

static void add_request_line(struct writer *w)
{
	const struct http_head *head = &w->request->head;
	struct str path = str_from(w->order->url, w->order->parts->path.at);

	buf_add_str(w->out, http_span(head, w->request->method_text));
	buf_add_char(w->out, ' ');
	if (w->peer && !w->peer->is_originserver)
		buf_add_str(w->out, w->order->url);
	else if (w->request->method == HTTP_OPTIONS &&
	         str_eq(http_span(head, w->request->target), STR("*")))
		buf_add_char(w->out, '*');
	else
		buf_add_str(w->out, path);
	buf_add_str(w->out, STR(" HTTP/1.1\r\n"));
}

/* RFC 9110 §7.8; with what is ours of the handshake, if the client has none. */
static void add_upgrade(struct writer *w)
{
	add_line(w, STR("Upgrade"), w->order->upgrade);
	add_line(w, STR("Connection"), STR("Upgrade"));
	if (w->order->websocket_key.at)
		add_line(w, websocket_key_name, w->order->websocket_key);
}

static void add_connection(struct writer *w)
{
	if (w->order->upgrade.len > 0)
		add_upgrade(w);
	else
		buf_add_str(w->out, w->config->server_persistent_connections
					    ? STR("Connection: keep-alive\r\n")
					    : STR("Connection: close\r\n"));
}

void fetch_write_head(const struct fetch_order *order, const struct peer *peer, struct buf *out)
{
	struct writer w = {
		.order = order,
		.config = snapshot_config(order->snapshot),
		.peer = peer,
		.request = &order->exchange->request,
		.out = out,
	};

	add_request_line(&w);
	if (fetch_order_is_conditional(order))
		revalidate_request_fields(order->stored, order->variants, order->nvariants, out);
	if (order->fill.partial)
		fetch_part_write_request(&order->fill, out);
	add_client_fields(&w);
	if (w.config->via && may_make(&w, FIELD_VIA))
		add_via(&w);
	if (may_make(&w, FIELD_SURROGATE_CAPABILITY))
		buf_add_str(out, order->snapshot->surrogate_line);
	add_forwarded_for(&w);
	add_login(&w);
	add_cache_control(&w);
	add_connection(&w);
	add_front_end(&w);
	if (order->log_facts)
		header_additions_write(order->snapshot->request_additions, order->facts,
				       order->log_facts, out);
	add_framing(&w);
	buf_add_str(out, STR("\r\n"));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A request to change to another protocol: what of it the origin hears, and the reply that becomes
 * a tunnel when the origin changes. Squid: http_upgrade_request_protocols. */
#include "cache/object.h"
#include "proxy/transaction/reply_internal.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/tunnel/upgrade.h"
#include "proxy/tunnel/websocket.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/upgrade_rules.h"

/* RFC 8441 §4, RFC 9220 §3: HTTP/1 can stand for WebSocket only. */
static enum transaction_state refuse_connect(struct transaction *t)
{
	struct str wanted = http_value(&transaction_request(t)->head, FIELD_UPGRADE);

	if (!str_eq_nocase(wanted, STR("websocket")))
		return transaction_refuse(t, 501, ERROR_UNSUP_REQ);
	return reply_denied(t, &(struct acl_result){0}, LOG_TCP_DENIED, ERROR_ACCESS_DENIED);
}

static void make_key(struct transaction *t)
{
	char *key = arena_alloc(&t->arena, WEBSOCKET_KEY_LEN);

	websocket_make_key(key);
	t->websocket_key = (struct str){key, WEBSOCKET_KEY_LEN};
}

enum transaction_state transaction_offer_upgrade(struct transaction *t)
{
	const struct http_request *request = transaction_request(t);
	const struct upgrade_rules *rules = transaction_config(t)->upgrade_rules;
	bool is_connect = t->exchange.is_extended_connect;

	if (!upgrade_rules_is_empty(rules) && upgrade_is_asked(request)) {
		t->facts.is_fast = true;
		t->upgrade = upgrade_offer(request, rules, &t->facts, &t->arena);
		t->facts.is_fast = false;
	}
	if (is_connect && !str_eq_nocase(t->upgrade, STR("websocket")))
		return refuse_connect(t);
	if (is_connect)
		make_key(t);
	return TRANSACTION_CACHE_ACCESS;
}

enum transaction_state transaction_run_switched(struct transaction *t)
{
	const struct config *config = transaction_config(t);
	struct fetch_switched switched;

	fetch_take_switched(t->fetch, &switched);
	t->tunnel = tunnel_create(&(struct tunnel_order){
		.worker = t->worker,
		.exchange = &t->exchange,
		.conn = switched.conn,
		.head = switched.head,
		.rest = switched.rest,
		.status = t->exchange.is_extended_connect ? 200 : 101,
		.idle_ms = config->read_timeout_ms,
		.lifetime_ms = config->client_lifetime_ms,
	});
	fetch_detach(t->fetch);
	t->fetch = NULL;
	t->tag = LOG_TCP_TUNNEL;
	object_unref(t->object);
	t->object = object_ref(tunnel_object(t->tunnel));
	return TRANSACTION_REPLY_ACCESS;
}

enum transaction_state reply_tunnel(struct transaction *t)
{
	struct reply *reply = &t->exchange.reply;

	reply_add_piece(reply, t->object->head);
	reply_add_piece(reply, t->exchange.is_extended_connect
				       ? STR("\r\n")
				       : STR("Connection: Upgrade\r\n\r\n"));
	reply->is_tunnel = reply->has_body = reply->close_after = true;
	reply->body_left = UINT64_MAX;
	reply_open_reader(t, 0);
	tunnel_start(t->tunnel);
	return reply_finish(t, t->object->status);
}

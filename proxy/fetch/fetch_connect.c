/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a fetch goes: the next candidate, an idle connection to it or its addresses one after the
 * other. Whatever fails before the answer is tried at the next destination where that is safe. */
#include <errno.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/net/proxy_header.h"
#include "lib/net/socket.h"
#include "proxy/fetch/fetch_internal.h"
#include "proxy/fetch/peer_queue.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/limits/worker_load.h"
#include "squid-compat/peers.h"
#include "squid-compat/socket_rules.h"

/* ---- SELECT */

/* The two ends of the client's connection: client, then local. Without a client: none. */
static void client_ends(const struct fetch *fetch, struct addr ends[2])
{
	memset(ends, 0, 2 * sizeof(*ends));
	if (!fetch->order.exchange->client.as.any.sa_family)
		return;
	ends[0] = fetch->order.exchange->client;
	ends[1] = fetch->order.exchange->local;
}

/* What a connection said of its client in the beginning holds for all that follows on it. */
static uint64_t client_key(const struct fetch *fetch)
{
	struct addr ends[2];
	struct {
		uint8_t ip[2][16];
		uint16_t port[2];
	} all = {0};

	client_ends(fetch, ends);
	for (int i = 0; i < 2; i++) {
		addr_ip_bytes(&ends[i], all.ip[i]);
		all.port[i] = addr_port(&ends[i]);
	}
	return hash_str((struct str){(const char *)&all, sizeof(all)},
	                (uint64_t)(uintptr_t)fetch_candidate(fetch)->state) |
	       1;
}

static uint64_t destination_key(const struct fetch *fetch)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	const struct port_url *parts = fetch->order.parts;

	if (candidate->peer && candidate->peer->proxy_protocol)
		return client_key(fetch);
	if (candidate->state)
		return origin_key_of(candidate->state);
	return hash_str((struct str){fetch->order.url.at, parts->path.at}, 1) | 1;
}

/* A connection that begins at one address of ours is no other's. */
static uint64_t conn_key(const struct fetch *fetch)
{
	uint64_t key = destination_key(fetch);
	const struct addr *const locals[] = {fetch->local_v4, fetch->local_v6};
	struct {
		uint8_t ip[2][16];
	} ours = {0};

	if (!fetch->local_v4 && !fetch->local_v6)
		return key;
	for (int i = 0; i < 2; i++)
		if (locals[i])
			addr_ip_bytes(locals[i], ours.ip[i]);
	return hash_str((struct str){(const char *)&ours, sizeof(ours)}, key) | 1;
}

/* tcp_outgoing_address and tcp_outgoing_tos, whose ACLs may ask for the peer. */
static void choose_socket(struct fetch *fetch)
{
	const struct config *config = fetch_config(fetch);
	const struct peer *peer = fetch_candidate(fetch)->peer;
	struct acl_facts *facts = fetch->order.facts;
	struct str peer_name = facts->peer_name;

	facts->peer_name = peer ? peer->name : STR_NONE;
	if (config->outgoing_addresses) {
		fetch->local_v4 = socket_rules_address(config->outgoing_addresses, facts, AF_INET);
		fetch->local_v6 = socket_rules_address(config->outgoing_addresses, facts, AF_INET6);
	}
	if (config->outgoing_tos)
		fetch->tos = socket_rules_tos(config->outgoing_tos, facts);
	facts->peer_name = peer_name;
}

/* What an old connection loses can't be sent again unless it is idempotent and has no body, or one
 * that is surely kept: server_pconn_for_nonretriable takes the chance. */
static bool may_reuse(const struct fetch *fetch)
{
	const struct config *config = fetch_config(fetch);

	if (!config->server_persistent_connections)
		return false;
	if (http_method_is_idempotent(fetch_request(fetch)->method) &&
	    (fetch_request(fetch)->body == HTTP_BODY_NONE ||
	     (fetch_request(fetch)->body == HTTP_BODY_LENGTH && fetch_keeps_upload(fetch))))
		return true;
	return config->server_pconn_for_nonretriable &&
	       access_list_allows(config->server_pconn_for_nonretriable, false,
	                          fetch->order.facts);
}

static void note_server(struct fetch *fetch)
{
	struct origin_conn *conn = fetch->conn;

	socklen_t len = sizeof(conn->local.as);

	if (conn->local.as.any.sa_family == AF_UNSPEC &&
	    getsockname(stream_fd(&conn->stream), &conn->local.as.any, &len) == 0)
		addr_unmap(&conn->local);
	fetch->report.server = conn->addr;
	fetch->report.local = conn->local;
	fetch->report.has_server = true;
}

enum fetch_state fetch_begin_send(struct fetch *fetch)
{
	struct fetch_report *report = &fetch->report;

	note_server(fetch);
	report->started_us = loop_wall_us(fetch_loop(fetch));
	report->began_us = loop_mono_us(fetch_loop(fetch));
	fetch_store_note_removals(&fetch->order);
	h1_parser_reset(&fetch->parser);
	buf_clear(&fetch->head);
	buf_reserve(&fetch->head, USUAL_HEAD_BYTES);
	fetch_write_head(&fetch->order, fetch_candidate(fetch)->peer, &fetch->head);
	if (fetch->head.is_full)
		return fetch_fail_with(fetch, 431, ERROR_TOO_BIG, 0);
	fetch->order.worker->counters.server_requests++;
	if (fetch_candidate(fetch)->state)
		atomic_fetch_add_explicit(&fetch_candidate(fetch)->state->nfetches, 1,
					  memory_order_relaxed);
	return FETCH_SEND;
}

enum fetch_state fetch_run_select(struct fetch *fetch)
{
	const struct peer_candidate *candidate;

	if (fetch->addr < fetch->naddrs)
		return FETCH_CONNECT;
	if (fetch->has_more && !fetch_has_candidate(fetch)) { /* other addresses of the last one */
		fetch->has_more = false;
		return FETCH_RESOLVE;
	}
	fetch->has_more = false;
	fetch_leave_peer(fetch);
	if (!fetch_has_candidate(fetch)) {
		if (fetch->selection.is_overloaded && fetch->candidate == 0)
			fetch->failure = (struct fetch_failure){503, ERROR_CANNOT_FORWARD, 0};
		return fetch_fail(fetch);
	}
	fetch->candidate++;
	fetch->naddrs = fetch->addr = 0;
	candidate = fetch_candidate(fetch);
	fetch->report.hier = candidate->hier;
	fetch->report.peer = candidate->peer;
	if (fetch_config(fetch)->outgoing_addresses || fetch_config(fetch)->outgoing_tos)
		choose_socket(fetch);
	if (candidate->state && fetch->candidate == 1)
		retry_budget_note(&candidate->state->budget, loop_now_ms(fetch_loop(fetch)));
	return FETCH_QUEUE;
}

/* ---- QUEUE: a peer has max-conn requests at a time */

void fetch_leave_peer(struct fetch *fetch)
{
	peer_ticket_cancel(fetch->ticket);
	fetch->ticket = NULL;
	if (fetch->entered)
		peer_leave(fetch->entered);
	fetch->entered = NULL;
}

static void was_let_in(void *owner)
{
	struct fetch *fetch = owner;

	fetch->ticket = NULL;
	fetch->entered = fetch_candidate(fetch)->state;
	fetch_stream_woke(fetch);
}

enum fetch_state fetch_turned_away(struct fetch *fetch)
{
	fetch_leave_peer(fetch);
	fetch->failure = (struct fetch_failure){503, ERROR_CANNOT_FORWARD, 0};
	return fetch_try_next(fetch);
}

/* True: it counts as one of the peer's requests, or waits to. */
static bool enter(struct fetch *fetch)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	const struct peer *peer = candidate->peer;

	if (peer_enter(candidate->state, peer->max_conn)) {
		fetch->entered = candidate->state;
		return true;
	}
	if (!candidate->waits)
		return false;
	fetch->ticket = peer_wait(candidate->state, peer->max_conn, peer->max_queue,
				  fetch_loop(fetch), was_let_in, fetch);
	fetch_set_deadline(fetch, fetch_forward_patience(fetch, peer->queue_timeout_ms));
	return fetch->ticket;
}

enum fetch_state fetch_run_queue(struct fetch *fetch)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);

	if (fetch->ticket)
		return FETCH_QUEUE;
	if (candidate->state && !fetch->entered && !enter(fetch))
		return fetch_turned_away(fetch);
	if (fetch->ticket)
		return FETCH_QUEUE;
	if (may_reuse(fetch))
		fetch->conn = origin_pool_take(fetch->order.worker->origins, conn_key(fetch),
		                               !http_method_is_idempotent(
						       fetch_request(fetch)->method));
	if (!fetch->conn)
		return FETCH_RESOLVE;
	stream_set_owner(&fetch->conn->stream, fetch_stream_woke, fetch);
	if (fetch->tos > 0)
		socket_set_tos(stream_fd(&fetch->conn->stream), fetch->tos);
	return fetch_begin_send(fetch);
}

/* ---- RESOLVE */

enum { PEER_DOUBT_MS = 1000 }; /* that the name of a peer has no address */

/* Direct fetches go where the URL says, so not to this machine itself. */
static bool is_own_machine(const struct addr *addr)
{
	uint8_t ip[16];
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	addr_ip_bytes(addr, ip);
	if (memcmp(ip, mapped, 12) == 0)
		return ip[12] == 127 || ip[12] == 0 || (ip[12] == 169 && ip[13] == 254);
	return IN6_IS_ADDR_LOOPBACK(&addr->as.v6.sin6_addr) ||
	       IN6_IS_ADDR_UNSPECIFIED(&addr->as.v6.sin6_addr) ||
	       IN6_IS_ADDR_LINKLOCAL(&addr->as.v6.sin6_addr);
}

static enum fetch_state resolved(struct fetch *fetch)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	const char *why = fetch->query.why ? fetch->query.why : "none is usable";
	unsigned n = 0;

	for (unsigned i = 0; i < fetch->query.naddrs; i++)
		if (candidate->peer || !is_own_machine(&fetch->query.addrs[i]))
			fetch->query.addrs[n++] = fetch->query.addrs[i];
	fetch->naddrs = n;
	fetch->addr = 0;
	fetch->report.dns_error = n > 0 ? NULL : why;
	if (n > 0)
		return FETCH_CONNECT;
	if (!candidate->peer)
		fetch->failure = (struct fetch_failure){503, ERROR_DNS_FAIL, 0};
	else
		log_say(1, "cache_peer %.*s has no address: %s", STR_ARG(candidate->peer->name),
		        why);
	return fetch_try_next(fetch);
}

static void resolve_done(struct resolver_query *query)
{
	struct fetch *fetch = CONTAINER(query, struct fetch, query);

	fetch->is_resolving = false;
	fetch_stream_woke(fetch);
}

static struct str destination_host(const struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;
	const struct port_url *parts = fetch->order.parts;

	return peer ? peer->host
		    : (struct str){fetch->order.url.at + parts->host.at, parts->host.len};
}

enum fetch_state fetch_run_resolve(struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;

	if (peer && peer->unix_path.at) {
		fetch->naddrs = 1;
		fetch->addr = 0;
		fetch->query.addrs[0] = (struct addr){.as.any.sa_family = AF_UNIX};
		return FETCH_CONNECT;
	}
	if (fetch->query.done && !fetch->is_resolving) {
		fetch->query.done = NULL;
		fetch->report.has_resolved = true;
		fetch->report.resolving_us +=
			loop_mono_us(fetch->order.worker->loop) - fetch->resolving_since_us;
		return resolved(fetch);
	}
	if (fetch->is_resolving)
		return FETCH_RESOLVE;
	fetch->query.done = resolve_done;
	fetch_set_deadline(fetch, fetch_forward_patience(fetch,
							 fetch_config(fetch)->dns_timeout_ms * 2));
	if (peer)
		resolver_doubt(fetch->order.worker->resolver, peer->host, PEER_DOUBT_MS);
	fetch->is_resolving = !resolver_ask(fetch->order.worker->resolver, destination_host(fetch),
	                                    peer ? peer->port : fetch->order.parts->port,
					    &fetch->query);
	if (fetch->is_resolving) {
		fetch->resolving_since_us = loop_mono_us(fetch->order.worker->loop);
		return FETCH_RESOLVE;
	}
	fetch->query.done = NULL;
	return resolved(fetch);
}

/* ---- CONNECT */

/* For those who ask for the same name next. */
static void mark(struct fetch *fetch, unsigned number, bool is_good)
{
	if (fetch->query.naddrs > 1)
		resolver_mark(fetch->order.worker->resolver, destination_host(fetch),
			      &fetch->query.addrs[number], is_good);
}

enum fetch_state fetch_connect_failed(struct fetch *fetch, int error)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	char text[ADDR_TEXT_BYTES];

	if (worker_load_is_short(fetch->order.worker, error)) /* not the peer's fault */
		return fetch_fail_with(fetch, 503, ERROR_TOO_BUSY, error);
	mark(fetch, fetch->addr, false);
	addr_text(&fetch->query.addrs[fetch->addr], text);
	fetch->failure = error == ETIMEDOUT
	                         ? (struct fetch_failure){504, ERROR_READ_TIMEOUT, error}
	                         : (struct fetch_failure){503, ERROR_CONNECT_FAIL, error};
	if (fetch->nretries < (unsigned)fetch_config(fetch)->connect_retries) {
		fetch->nretries++;
		return fetch_try_next(fetch);
	}
	fetch->nretries = 0;
	fetch->addr++;
	fetch->has_more = fetch->query.nmore > 0;
	if (candidate->state) {
		log_say(peer_state_is_up(candidate->state) ? 1 : 2,
		        "TCP connection to %.*s/%u failed (%s: %s)",
		        STR_ARG(candidate->peer->host), candidate->peer->port, text,
		        strerror(error));
		peer_state_failed(candidate->state, candidate->peer->connect_fail_limit,
		                  strerror(error), origin_has_refused(error));
	}
	return fetch_try_next(fetch);
}

static int64_t connect_timeout(const struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;

	if (!peer)
		return fetch_config(fetch)->connect_timeout_ms;
	return peer->connect_timeout_ms >= 0 ? peer->connect_timeout_ms
	                                     : fetch_config(fetch)->peer_connect_timeout_ms;
}

/* One destination more, if forward_max_tries allows it; another attempt at the same is none. */
static bool may_connect(struct fetch *fetch)
{
	return fetch->nretries > 0 ||
	       fetch->ntries++ < (unsigned)fetch_config(fetch)->forward_max_tries;
}

/* To the number-th of its addresses. */
static int begin_connect(struct fetch *fetch, unsigned number, struct origin_conn **out)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	const struct peer *peer = candidate->peer;
	struct origin_pool *pool = fetch->order.worker->origins;
	const struct addr *addr = &fetch->query.addrs[number];
	const struct stream_connect_options options = {
		.local = addr->as.any.sa_family == AF_INET6 ? fetch->local_v6 : fetch->local_v4,
		.tos = fetch->tos,
		.recv_bytes = (int)fetch_config(fetch)->tcp_recv_bufsize_bytes,
	};
	const struct origin_target target = {
		.key = conn_key(fetch),
		.state = candidate->state,
		.unix_path = peer ? peer->unix_path.at : NULL,
		.addr = addr,
		.options = &options,
		.wake = fetch_stream_woke,
		.owner = fetch,
	};
	int error;

	if (peer && peer->max_conn > 0)
		origin_pool_make_room(pool, candidate->state, peer->max_conn);
	error = origin_connect(pool, &target, out);
	if (error == -EMFILE && origin_pool_shed(pool, 1) > 0)
		error = origin_connect(pool, &target, out);
	return error;
}

/* cache_peer ... proxy-protocol=: ahead of all else, TLS too. A new connection takes these few
 * bytes at once. */
static bool send_proxy_header(struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;
	char header[PROXY_HEADER_MADE_BYTES];
	struct addr ends[2];
	size_t len;

	if (!peer || peer->proxy_protocol == 0)
		return true;
	client_ends(fetch, ends);
	len = proxy_header_write(peer->proxy_protocol, &ends[0], &ends[1], header);
	return send(stream_fd(&fetch->conn->stream), header, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* ---- two at a time (RFC 8305 §5): what takes long is not waited for alone */

static void drop_rival(struct fetch *fetch)
{
	origin_close(fetch->rival);
	fetch->rival = NULL;
}

static void set_connect_deadline(struct fetch *fetch)
{
	int64_t timeout_ms = fetch_forward_patience(fetch, connect_timeout(fetch));
	int64_t patience_ms = fetch_config(fetch)->happy_eyeballs_connect_timeout;

	fetch->connect_until_ms = loop_now_ms(fetch_loop(fetch)) + timeout_ms;
	fetch_set_deadline(fetch, fetch->addr + 1 < fetch->naddrs && patience_ms < timeout_ms
	                                  ? patience_ms
	                                  : timeout_ms);
}

/* What forward_timeout cuts is not held against the peer. */
enum fetch_state fetch_connect_timed_out(struct fetch *fetch)
{
	if (loop_now_ms(fetch_loop(fetch)) >= fetch->deadline_ms)
		return fetch_fail_with(fetch, 504, ERROR_READ_TIMEOUT, ETIMEDOUT);
	return fetch_connect_failed(fetch, ETIMEDOUT);
}

enum fetch_state fetch_connect_is_slow(struct fetch *fetch)
{
	int64_t left_ms = fetch->connect_until_ms - loop_now_ms(fetch_loop(fetch));

	if (left_ms <= 0)
		return fetch_connect_timed_out(fetch);
	fetch_set_deadline(fetch, left_ms);
	if (!fetch->rival && fetch->addr + 1 < fetch->naddrs && may_connect(fetch) &&
	    begin_connect(fetch, fetch->addr + 1, &fetch->rival) != 0)
		fetch->rival = NULL;
	return FETCH_CONNECT;
}

/* The rival's result, while the first one still waits: it takes its place, or goes. */
static int rival_result(struct fetch *fetch)
{
	struct addr *addrs = &fetch->query.addrs[fetch->addr];
	struct origin_conn *slow = fetch->conn;
	struct addr its = addrs[0];
	int error = stream_connect_result(&fetch->rival->stream);

	if (error == STREAM_WAIT)
		return STREAM_WAIT;
	if (error != 0) {
		mark(fetch, fetch->addr + 1, false);
		drop_rival(fetch);
		fetch->naddrs--;
		memmove(&addrs[1], &addrs[2],
		        (fetch->naddrs - fetch->addr - 1) * sizeof(*addrs));
		return STREAM_WAIT;
	}
	mark(fetch, fetch->addr, false);
	addrs[0] = addrs[1];
	addrs[1] = its;
	fetch->conn = fetch->rival;
	fetch->rival = slow;
	return 0;
}

static int connect_result(struct fetch *fetch)
{
	int error = stream_connect_result(&fetch->conn->stream);

	return error == STREAM_WAIT && fetch->rival ? rival_result(fetch) : error;
}

/* A rival that goes on when the first one has failed, or a new connection. */
static int start_connection(struct fetch *fetch)
{
	int error = 0;

	if (fetch->rival && fetch->nretries == 0) {
		fetch->conn = fetch->rival;
		fetch->rival = NULL;
	} else {
		drop_rival(fetch);
		error = begin_connect(fetch, fetch->addr, &fetch->conn);
	}
	set_connect_deadline(fetch);
	return error;
}

enum fetch_state fetch_run_connect(struct fetch *fetch)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);
	int error;

	if (!fetch->conn) {
		if (!fetch->rival && !may_connect(fetch))
			return fetch_fail(fetch);
		error = start_connection(fetch);
		if (error != 0)
			return fetch_connect_failed(fetch, -error);
	}
	error = connect_result(fetch);
	if (error == STREAM_WAIT)
		return FETCH_CONNECT;
	if (error != 0)
		return fetch_connect_failed(fetch, -error);
	drop_rival(fetch);
	mark(fetch, fetch->addr, true);
	if (!send_proxy_header(fetch))
		return fetch_connect_failed(fetch, EPIPE);
	if (fetch_is_tls(fetch)) {
		timer_set(fetch_loop(fetch), &fetch->timer, fetch->connect_until_ms);
		return FETCH_HANDSHAKE;
	}
	if (candidate->state)
		peer_state_succeeded(candidate->state, loop_now_ms(fetch_loop(fetch)));
	return fetch_begin_send(fetch);
}

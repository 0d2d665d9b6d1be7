/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of each cache_peer. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/date.h"
#include "lib/net/addr.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/manager/manager_pages.h"
#include "proxy/server.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

static const char *type_name(enum peer_type type)
{
	static const char *const names[] = {
		[PEER_PARENT] = "Parent",
		[PEER_SIBLING] = "Sibling",
		[PEER_MULTICAST] = "Multicast Group",
	};

	return names[type];
}

static void write_flags(struct buf *out, const struct peer *peer)
{
	static const struct {
		unsigned bit;
		const char *name;
	} selects[] = {
		{PEER_SELECT_ROUND_ROBIN, "round-robin"},
		{PEER_SELECT_WEIGHTED, "weighted-round-robin"},
		{PEER_SELECT_CARP, "carp"},
		{PEER_SELECT_SOURCEHASH, "sourcehash"},
		{PEER_SELECT_USERHASH, "userhash"},
		{PEER_SELECT_DEFAULT, "default"},
		{PEER_SELECT_LEAST_CONN, "least-conn"},
		{PEER_SELECT_PEAK_EWMA, "peak-ewma"},
	};
	const struct {
		bool is_set;
		const char *name;
	} flags[] = {
		{peer->is_proxy_only, "proxy-only"},
		{peer->is_no_query, "no-query"},
		{peer->is_no_digest, "no-digest"},
		{peer->is_no_delay, "no-delay"},
		{peer->may_miss, "allow-miss"},
		{peer->is_originserver, "originserver"},
		{peer->is_tls, "tls"},
		{peer->is_backup, "backup"},
	};

	buf_add_str(out, STR("Flags      :"));
	for (size_t i = 0; i < COUNT(selects); i++)
		if (peer->select & selects[i].bit)
			buf_printf(out, " %s", selects[i].name);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (flags[i].is_set)
			buf_printf(out, " %s", flags[i].name);
	buf_add_char(out, '\n');
}

static unsigned load(const atomic_uint *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

/* Ours, beside Squid's Status. */
static void write_state(struct buf *out, const struct peer *peer, struct peer_state *state)
{
	int64_t since_us = atomic_load_explicit(&state->since_us, memory_order_relaxed);
	unsigned weight = load(&state->weight);
	char why[PEER_REASON_BYTES], date[DATE_SIZE];

	buf_printf(out, "Weight     : %u%s\n", weight > 0 ? weight : peer->weight,
		   weight > 0 ? " (of the operator)" : "");
	buf_printf(out, "Requests   : %d now, %d waiting\n",
		   atomic_load_explicit(&state->nactive, memory_order_relaxed),
		   atomic_load_explicit(&state->nwaiting, memory_order_relaxed));
	if (atomic_load_explicit(&state->is_drained, memory_order_relaxed))
		buf_add_str(out, STR("Drained    : no new requests\n"));
	if (since_us == 0)
		return;
	date_format(clock_wall_of(since_us) / 1000000, date);
	buf_printf(out, "Since      : %s: %s\n", date, peer_state_reason(state, why));
}

static void write_peer(struct buf *out, const struct peer *peer, struct peer_state *state)
{
	struct addr addr;

	buf_printf(out, "\n%-11.11s: %.*s\n", type_name(peer->type), STR_ARG(peer->name));
	buf_printf(out, "Host       : %.*s/%u/%u\n", STR_ARG(peer->host), peer->port,
		   peer->icp_port);
	write_flags(out, peer);
	write_state(out, peer, state);
	if (addr_parse(peer->host, 0, &addr))
		buf_printf(out, "Address[0] : %.*s\n", STR_ARG(peer->host));
	buf_printf(out, "Status     : %s\n", peer_state_is_up(state) ? "Up" : "Down");
	buf_printf(out, "FETCHES    : %u\n", load(&state->nfetches));
	buf_printf(out, "OPEN CONNS : %d\n",
		   atomic_load_explicit(&state->nconns, memory_order_relaxed));
	buf_add_str(out, STR("AVG RTT    : 0 msec\nIGNORED    :        0   0%\n"));
	buf_add_str(out, STR("keep-alive ratio: 0%\n"));
}

bool manager_write_server_list(struct manager_page *page)
{
	const struct peers *peers = page->config->peers;

	if (!peers->first)
		buf_add_str(page->out, STR("There are no neighbors installed.\n"));
	for (const struct peer *peer = peers->first; peer; peer = peer->next)
		write_peer(page->out, peer, peer_table_get(page->server->peers, peer->name));
	return false;
}

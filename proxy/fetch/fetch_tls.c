/* SPDX-License-Identifier: BSD-2-Clause */
/* The TLS handshake with a server, where one is due. A server that is not who it should be gets no
 * request: the next destination is tried, or the answer is an error that names the reason. */
#include <errno.h>

#include "lib/base/log.h"
#include "lib/net/stream_tls.h"
#include "proxy/fetch/fetch_internal.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/log/key_log.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/peers.h"
#include "squid-compat/tls/tls_outgoing.h"

bool fetch_is_tls(const struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;

	return peer ? peer->is_tls : fetch->order.parts->is_https;
}

static struct str url_host(const struct fetch *fetch)
{
	const struct port_url *parts = fetch->order.parts;

	return (struct str){fetch->order.url.at + parts->host.at, parts->host.len};
}

/* Who is spoken to, for messages. */
static struct str whom(const struct fetch *fetch)
{
	const struct peer *peer = fetch_candidate(fetch)->peer;

	return peer ? peer->name : url_host(fetch);
}

static void note(struct fetch *fetch, const char *why)
{
	struct str name = whom(fetch);

	log_say(1, "ERROR: negotiating TLS with %.*s: %s", STR_ARG(name), why);
	str_copy(str_of(why), fetch->report.tls_error, sizeof(fetch->report.tls_error));
	fetch->failure = (struct fetch_failure){502, ERROR_SECURE_CONNECT_FAIL, EPROTO};
}

static enum fetch_state failed(struct fetch *fetch, const char *why)
{
	const struct peer_candidate *candidate = fetch_candidate(fetch);

	note(fetch, why);
	fetch->addr++;
	if (candidate->state)
		peer_state_failed(candidate->state, candidate->peer->connect_fail_limit, why,
				  false);
	return fetch_try_next(fetch);
}

void fetch_note_tls_failure(struct fetch *fetch)
{
	if (stream_is_tls(&fetch->conn->stream) && fetch->failure.error_number == EPROTO)
		note(fetch, stream_tls_why(&fetch->conn->stream));
}

/* The brackets of an IPv6 address are the URL's. */
static struct str name_of(const struct fetch *fetch, const struct tls_outgoing *outgoing)
{
	struct str name = outgoing->name.at ? outgoing->name : url_host(fetch);

	if (name.len > 2 && name.at[0] == '[')
		name = str_first(str_from(name, 1), name.len - 2);
	return name;
}

static const char *start(struct fetch *fetch)
{
	const struct snapshot *snapshot = fetch->order.snapshot;
	const struct peer *peer = fetch_candidate(fetch)->peer;
	const struct tls_outgoing *outgoing =
		peer ? &peer->tls : fetch_config(fetch)->tls_outgoing;
	struct tls_client *client;

	if (!peer && outgoing->is_off)
		return "tls_outgoing_options disable";
	client = tls_peer_client(peer ? snapshot->tls_peers[peer->index] : snapshot->tls_direct);
	if (!client)
		return "its CAs or CRLs cannot be used";
	stream_connect_tls(&fetch->conn->stream, client, name_of(fetch, outgoing));
	tls_client_unref(client);
	key_log_follow(snapshot->keys, &fetch->conn->stream, fetch->order.facts);
	return NULL;
}

enum fetch_state fetch_run_handshake(struct fetch *fetch)
{
	struct stream *stream = &fetch->conn->stream;
	const char *fault = stream_is_tls(stream) ? NULL : start(fetch);
	int result;

	if (fault)
		return failed(fetch, fault);
	result = stream_handshake(stream);
	if (result == STREAM_WAIT)
		return FETCH_HANDSHAKE;
	if (result != 0)
		return failed(fetch, stream_tls_why(stream));
	if (fetch_candidate(fetch)->state)
		peer_state_succeeded(fetch_candidate(fetch)->state,
				     loop_now_ms(fetch_loop(fetch)));
	return fetch_begin_send(fetch);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/net/proxy_header.h"
#include "lib/net/stream_tls.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/log/key_log.h"
#include "proxy/snapshot.h"
#include "proxy/tls/tls_table.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

static void resolved(struct resolver_query *query)
{
	struct peer_dial *dial = CONTAINER(query, struct peer_dial, query_);

	dial->is_resolving_ = false;
	dial->woke(dial->owner);
}

void peer_dial_begin(struct peer_dial *dial)
{
	const struct peer *peer = dial->peer;

	dial->query_ = (struct resolver_query){.done = resolved};
	dial->step_ = DIAL_RESOLVE;
	dial->addr_ = dial->nrefused_ = 0;
	if (peer->unix_path.at)
		dial->query_.naddrs = 1;
	else
		dial->is_resolving_ = !resolver_ask(dial->worker->resolver, peer->host, peer->port,
						    &dial->query_);
}

void peer_dial_end(struct peer_dial *dial)
{
	resolver_cancel(&dial->query_);
	dial->is_resolving_ = false;
	origin_close(dial->conn);
	dial->conn = NULL;
}

static enum dial_result fail(struct peer_dial *dial, const char *why)
{
	dial->why = why;
	return DIAL_FAILED;
}

static enum dial_result run_resolve(struct peer_dial *dial)
{
	if (dial->is_resolving_)
		return DIAL_WAIT;
	if (dial->query_.naddrs == 0)
		return fail(dial, dial->query_.why);
	dial->step_ = DIAL_CONNECT;
	return DIAL_DONE;
}

static int start_connecting(struct peer_dial *dial)
{
	const struct stream_connect_options options = {
		.recv_bytes = (int)snapshot_config(dial->snapshot)->tcp_recv_bufsize_bytes,
	};
	const struct origin_target target = {
		.key = dial->key,
		.state = dial->counts,
		.unix_path = dial->peer->unix_path.at,
		.addr = &dial->query_.addrs[dial->addr_],
		.options = &options,
		.wake = dial->woke,
		.owner = dial->owner,
	};

	return origin_connect(dial->worker->origins, &target, &dial->conn);
}

/* Of no client: a header that says so. */
static bool send_proxy_header(struct peer_dial *dial)
{
	static const struct addr nobody;
	char header[PROXY_HEADER_MADE_BYTES];
	size_t len;

	if (dial->peer->proxy_protocol == 0)
		return true;
	len = proxy_header_write(dial->peer->proxy_protocol, &nobody, &nobody, header);
	return send(stream_fd(&dial->conn->stream), header, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void mark(struct peer_dial *dial, bool is_good)
{
	if (dial->query_.naddrs > 1)
		resolver_mark(dial->worker->resolver, dial->peer->host,
			      &dial->query_.addrs[dial->addr_], is_good);
}

/* The next address follows within this one call. */
static enum dial_result run_connect(struct peer_dial *dial)
{
	for (;;) {
		int error = dial->conn ? 0 : start_connecting(dial);

		if (error == 0)
			error = stream_connect_result(&dial->conn->stream);
		if (error == STREAM_WAIT)
			return DIAL_WAIT;
		if (error == 0 && !send_proxy_header(dial))
			error = -EPIPE;
		mark(dial, error == 0);
		if (error == 0)
			break;
		origin_close(dial->conn);
		dial->conn = NULL;
		dial->nrefused_ += origin_has_refused(-error);
		if (++dial->addr_ == dial->query_.naddrs)
			return fail(dial, strerror(-error));
	}
	dial->step_ = dial->peer->is_tls ? DIAL_HANDSHAKE : DIAL_READY;
	return DIAL_DONE;
}

static enum dial_result run_handshake(struct peer_dial *dial)
{
	static const struct acl_facts nobody; /* there is no request */
	struct stream *stream = &dial->conn->stream;
	int result;

	if (!stream_is_tls(stream)) {
		struct tls_client *client =
			tls_peer_client(dial->snapshot->tls_peers[dial->peer->index]);

		if (!client)
			return fail(dial, "its CAs or CRLs cannot be used");
		stream_connect_tls(stream, client, dial->peer->tls.name);
		tls_client_unref(client);
		key_log_follow(dial->snapshot->keys, stream, &nobody);
	}
	result = stream_handshake(stream);
	if (result == STREAM_WAIT)
		return DIAL_WAIT;
	if (result != 0)
		return fail(dial, stream_tls_why(stream));
	dial->step_ = DIAL_READY;
	return DIAL_DONE;
}

static const struct {
	enum dial_result (*run)(struct peer_dial *dial);
	const char *late;
} steps[] = {
	[DIAL_RESOLVE] = {run_resolve, "its name was not resolved in time"},
	[DIAL_CONNECT] = {run_connect, "no connection in time"},
	[DIAL_HANDSHAKE] = {run_handshake, "no TLS handshake in time"},
};

enum dial_result peer_dial_run(struct peer_dial *dial)
{
	enum dial_result result = DIAL_DONE;

	while (result == DIAL_DONE && dial->step_ != DIAL_READY)
		result = steps[dial->step_].run(dial);
	return result;
}

bool peer_dial_was_refused(const struct peer_dial *dial)
{
	return dial->nrefused_ > 0 && dial->nrefused_ == dial->query_.naddrs;
}

const char *peer_dial_late(const struct peer_dial *dial)
{
	return dial->step_ == DIAL_READY ? "" : steps[dial->step_].late;
}

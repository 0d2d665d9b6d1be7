/* SPDX-License-Identifier: BSD-2-Clause */
/* http_port ... require-proxy-header: ahead of its first request each connection says whose it is,
 * and only those that proxy_protocol_access names may say so. Squid: cf.data.pre, http_port. */
#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/proxy_header.h"
#include "proxy/server.h"
#include "proxy/session/client_table.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h1_internal.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

static bool is_permitted(const struct session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	struct arena arena;
	struct addr local;
	struct acl_facts facts = {
		.arena = &arena,
		.is_fast = true,
		.client = &session->client,
		.local = &local,
		.port_name = session->port->name,
		.now_s = loop_wall_us(session->worker->loop) / 1000000,
	};
	bool may;

	arena_init(&arena, NULL, 0);
	listener_local(session->listener, stream_fd(&session->stream), &local);
	may = access_list_allows(config->proxy_protocol_access, false, &facts);
	arena_fini(&arena);
	return may;
}

static enum session_state refuse(struct session *session, const char *why)
{
	char text[ADDR_TEXT_BYTES];

	log_say(2, "closing a connection from %s: %s", addr_text(&session->client, text), why);
	return SESSION_CLOSED;
}

/* The header is the first of len bytes at bytes; what follows it is the first request's. */
static void take(struct session *session, const struct proxy_header *header, const char *bytes,
                 size_t len)
{
	struct client_table *clients = session->worker->server->clients;

	if (header->has_addrs) {
		client_table_leave(clients, session->count);
		session->client = header->client;
		session->count = client_table_enter(clients, &session->client);
		session->local = mem_alloc(sizeof(*session->local));
		*session->local = header->local;
	}
	if (session->input.len > 0)
		buf_consume(&session->input, header->len);
	else if (len > header->len)
		check(buf_add(&session->input, bytes + header->len, len - header->len));
	if (session->input.len == 0)
		buf_fini(&session->input);
}

enum session_state session_run_proxy_header(struct session *session)
{
	struct proxy_header header;
	char *at;
	size_t len;

	if (session->input.len == 0 && !is_permitted(session))
		return refuse(session, "proxy_protocol_access does not allow it");
	for (;;) {
		ssize_t n = session_read_some(session, &at, &len);

		if (n == STREAM_WAIT)
			return SESSION_PROXY_HEADER;
		if (n <= 0)
			return session_end_of_input(session);
		switch (proxy_header_parse(at, len, &header)) {
		case PROXY_HEADER_DONE:
			take(session, &header, at, len);
			return session->port->is_tls ? SESSION_HANDSHAKE : SESSION_READ_HEAD;
		case PROXY_HEADER_ERROR:
			return refuse(session, "it does not begin with a PROXY header");
		case PROXY_HEADER_MORE:
			break;
		}
		if (session->input.len == 0)
			check(buf_add(&session->input, at, len));
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* https_port: the TLS handshake ahead of the first request. A client that sends plain HTTP instead
 * is told so, in plain HTTP. */
#include "lib/base/log.h"
#include "lib/net/stream_tls.h"
#include "proxy/log/key_log.h"
#include "proxy/server.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h1_internal.h"
#include "proxy/tls/handshake_rate.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

/* tls_handshake_limit */
static bool may_begin(struct session *session)
{
	int limit = snapshot_config(session->snapshot)->tls_handshake_limit;

	return limit == 0 ||
	       handshake_rate_may(session->worker->server->handshakes, &session->client,
	                          (unsigned)limit, loop_now_ms(session->worker->loop));
}

/* tls_key_log, if there is one. */
static void follow_keys(struct session *session)
{
	struct key_log *keys = session->snapshot->keys;
	struct addr local;
	struct acl_facts facts = {
		.client = &session->client,
		.local = &local,
		.port_name = session->port->name,
		.now_s = loop_wall_us(session->worker->loop) / 1000000,
	};

	if (!keys)
		return;
	if (session->local)
		local = *session->local;
	else
		listener_local(session->listener, stream_fd(&session->stream), &local);
	key_log_follow(keys, &session->stream, &facts);
}

static void start_tls(struct session *session)
{
	struct tls_port *entry = session->snapshot->tls_ports[session->port->index];
	struct tls_server *server = tls_port_server(entry);

	stream_serve_tls(&session->stream, server, &session->worker->tls_gate,
	                 buf_str(&session->input));
	buf_fini(&session->input);
	tls_server_unref(server);
	follow_keys(session);
}

/* Of the site that the client asked for by SNI. One that is yet unknown gets a row if a certificate
 * names it. */
static struct site_counts *site_of(struct session *session)
{
	char sni[TLS_SNI_BYTES];
	bool is_named;
	struct str host;

	stream_tls_sni(&session->stream, sni, &is_named);
	for (char *at = sni; *at; at++)
		*at = ascii_lower(*at);
	host = str_of(sni);
	if (str_ends_with_nocase(host, STR(".")))
		host.len--;
	return sites_get(&session->worker->sites, host, is_named);
}

static void count_handshake(struct session *session)
{
	struct counters *counters = &session->worker->counters;
	struct detail_counts *details = &session->worker->details;
	struct site_counts *site = site_of(session);
	struct tls_facts facts;

	counters->tls_handshakes++;
	site->tls_handshakes++;
	if (!stream_tls_facts(&session->stream, &facts))
		return;
	counters->tls_resumed += facts.is_resumed;
	site->tls_resumed += facts.is_resumed;
	details->tls_versions[facts.version]++;
	timings_note(&details->handshakes[facts.is_resumed ? HANDSHAKE_RESUMED : HANDSHAKE_FULL],
	             facts.took_us);
}

static enum session_state failed(struct session *session)
{
	char text[ADDR_TEXT_BYTES];

	session->worker->counters.tls_failures++;
	site_of(session)->tls_failures++;
	log_say(2, "Error negotiating TLS on a connection from %s: %s",
	        addr_text(&session->client, text), stream_tls_why(&session->stream));
	worker_log_empty_connection(session->worker, session->snapshot, &session->client,
	                            session->port);
	/* The alert has to arrive: a close with unread bytes would overtake it. */
	stream_drop_tls(&session->stream, NULL);
	return stream_has_ended(&session->stream) ? SESSION_CLOSED : SESSION_LINGER;
}

enum session_state session_run_handshake(struct session *session)
{
	static const struct refusal plain = {
		.status = 400,
		.error = "ERR_HTTPS_EXPECTED",
		.why = "plain HTTP was sent to a TLS port",
		.url = "error:invalid-request",
	};
	int result;

	if (!stream_is_tls(&session->stream)) {
		if (!may_begin(session))
			return SESSION_CLOSED;
		start_tls(session);
	}
	result = stream_handshake(&session->stream);
	if (result == 0) {
		count_handshake(session);
		return str_eq(stream_tls_alpn(&session->stream), STR("h2"))
		               ? session_hand_over(session, STR(""))
		               : SESSION_READ_HEAD;
	}
	if (result == STREAM_WAIT)
		return SESSION_HANDSHAKE;
	if (result != STREAM_PLAIN)
		return failed(session);
	stream_drop_tls(&session->stream, NULL);
	return session_refuse(session, &plain);
}

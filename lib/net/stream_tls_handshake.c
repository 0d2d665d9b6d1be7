/* SPDX-License-Identifier: BSD-2-Clause */
/* How a stream becomes one of TLS, and what is known once it is. */
#include "lib/net/stream_tls_internal.h"

#include <errno.h>
#include <gnutls/gnutls.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/net/stream_internal.h"
#include "lib/net/tls_identity.h"

/* ---- the beginning */

void stream_serve_tls(struct stream *stream, struct tls_server *server, struct tls_gate *gate,
                      struct str already)
{
	struct stream_tls *tls = stream_tls_begin(stream);

	tls->side.server = tls_server_ref(server);
	tls->gate = gate;
	tls->in = already;
	tls_wire_keep_rest(tls);
}

void stream_connect_tls(struct stream *stream, struct tls_client *client, struct str name)
{
	struct stream_tls *tls = stream_tls_begin(stream);

	tls->side.client = tls_client_ref(client);
	tls->side.name = str_dup(name);
}

void stream_log_keys(struct stream *stream, struct tls_key_sink sink)
{
	check(stream->tls_ && !stream->tls_->session);
	stream->tls_->side.keys = sink;
}

static bool start_session(struct stream_tls *tls)
{
	tls->session = tls_session_create(&tls->side);
	if (!tls->session) {
		tls->error = -ENOMEM;
		return false;
	}
	tls_wire_attach(tls);
	if (tls->side.keys.add)
		tls_session_log_keys(tls->session);
	return true;
}

/* A client's first bytes: those of a TLS record, or a letter, as each HTTP method begins with. */
static bool is_plain(const struct stream_tls *tls)
{
	return !tls->session && tls->in.len > 0 && ascii_lower(tls->in.at[0]) >= 'a' &&
	       ascii_lower(tls->in.at[0]) <= 'z';
}

/* A server's part: 0 if there is something to work on now, and it is this connection's turn. */
static int wait_for_turn(struct stream_tls *tls)
{
	if (tls->in.len == 0) {
		int got = tls_wire_refill(tls);

		if (got == 0)
			return tls->error = -ECONNRESET;
		if (got < 0)
			return tls->error ? tls->error
			                  : (int)stream_wait_for_edge(tls->stream);
	}
	if (is_plain(tls))
		return STREAM_PLAIN;
	if (tls->began_us == 0)
		tls->began_us = clock_mono_us();
	return tls_gate_enter(tls->gate, &tls->pass) ? 0 : STREAM_WAIT;
}

/* The ticket waits in out for the answer to go along with, or for the first wait. */
static int shaken(struct stream_tls *tls)
{
	tls->is_shaken = true;
	tls->took_us = clock_mono_us() - tls->began_us;
	if (tls->side.keys.add) {
		tls->side.keys = (struct tls_key_sink){NULL, NULL};
		tls_session_log_keys(tls->session);
	}
	if (tls->side.server) {
		tls->is_gathering = true;
		tls_session_send_ticket(tls->session, &tls->side);
		tls->is_gathering = false;
		tls->peer = tls_peer_create(tls->session);
	} else {
		tls_wire_flush(tls);
	}
	return tls->error;
}

static int shake(struct stream_tls *tls)
{
	int n;

	tls->is_gathering = true;
	tls->is_dry = false;
	do
		n = gnutls_handshake(tls->session);
	while (n < 0 && !gnutls_error_is_fatal(n) && !tls->is_dry);
	tls->is_gathering = false;
	if (n == 0)
		return shaken(tls);
	if (!stream_tls_is_pause(n))
		return stream_tls_fail(tls, n);
	tls_wire_flush(tls);
	return tls->error ? tls->error : stream_tls_wait(tls);
}

int stream_handshake(struct stream *stream)
{
	struct stream_tls *tls = stream->tls_;
	int result = 0;

	if (!tls || tls->is_shaken)
		return 0;
	if (tls->error)
		return tls->error;
	if (tls->gate)
		result = wait_for_turn(tls);
	if (result == 0 && (tls->session || start_session(tls)))
		result = shake(tls);
	tls_wire_keep_rest(tls);
	return tls->error ? tls->error : result;
}

/* ---- what was agreed on */

struct str stream_tls_alpn(const struct stream *stream)
{
	gnutls_datum_t chosen;

	if (!stream->tls_ || !stream->tls_->session ||
	    gnutls_alpn_get_selected_protocol(stream->tls_->session, &chosen) != 0)
		return STR_NONE;
	return (struct str){(const char *)chosen.data, chosen.size};
}

const struct tls_peer *stream_tls_peer(const struct stream *stream)
{
	return stream->tls_ ? stream->tls_->peer : NULL;
}

static const struct {
	gnutls_protocol_t version;
	const char *name;
} versions[TLS_VERSIONS] = {
	[TLS_VERSION_OTHER] = {GNUTLS_VERSION_UNKNOWN, "-"},
	[TLS_VERSION_1_3] = {GNUTLS_TLS1_3, "TLS/1.3"},
	[TLS_VERSION_1_2] = {GNUTLS_TLS1_2, "TLS/1.2"},
	[TLS_VERSION_1_1] = {GNUTLS_TLS1_1, "TLS/1.1"},
	[TLS_VERSION_1_0] = {GNUTLS_TLS1_0, "TLS/1.0"},
};

const char *tls_version_name(enum tls_version version)
{
	return versions[version].name;
}

static enum tls_version version_of(gnutls_session_t session)
{
	gnutls_protocol_t version = gnutls_protocol_get_version(session);

	for (enum tls_version i = TLS_VERSION_OTHER + 1; i < TLS_VERSIONS; i++)
		if (versions[i].version == version)
			return i;
	return TLS_VERSION_OTHER;
}

static void get_sni(const struct stream_tls *tls, char out[TLS_SNI_BYTES])
{
	size_t len = TLS_SNI_BYTES - 1;
	unsigned type = GNUTLS_NAME_DNS;

	if (!tls->session || gnutls_server_name_get(tls->session, out, &len, &type, 0) != 0)
		len = 0;
	out[len] = '\0';
}

void stream_tls_sni(const struct stream *stream, char out[TLS_SNI_BYTES], bool *is_named)
{
	const struct stream_tls *tls = stream->tls_;

	get_sni(tls, out);
	*is_named = tls->side.server && tls_server_has_name(tls->side.server, str_of(out));
}

bool stream_tls_facts(const struct stream *stream, struct tls_facts *out)
{
	const struct stream_tls *tls = stream->tls_;

	if (!tls || !tls->is_shaken)
		return false;
	out->version = version_of(tls->session);
	out->cipher = gnutls_ciphersuite_get(tls->session);
	out->is_resumed = gnutls_session_is_resumed(tls->session) != 0;
	out->took_us = (uint64_t)tls->took_us;
	get_sni(tls, out->sni);
	return true;
}

bool stream_tls_may_serve(const struct stream *stream, struct str host)
{
	struct tls_facts facts;

	if (!stream_tls_facts(stream, &facts) || facts.sni[0] == '\0' || !stream->tls_->side.server)
		return true;
	return str_eq_nocase(str_of(facts.sni), host) ||
	       !tls_server_has_better(stream->tls_->side.server, str_of(facts.sni), host);
}

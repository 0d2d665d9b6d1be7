/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/stream_tls.h: streams over TLS (GnuTLS). A connected TCP stream becomes one; then a
 * handshake, by stream_handshake; then stream.h's operations go on as before, on plain bytes.
 *
 * Whole flights are read and written: bytes are received into the loop's scratch and what TLS makes
 * is gathered, so a full handshake costs three reads and two writes, and a request one of each. A
 * server's session begins with the client's first bytes: a connection that sends nothing, or sends
 * plain text, costs nothing. Between two requests nothing is held but GnuTLS's own session.
 *
 * Threads: one loop's. */
#ifndef NET_STREAM_TLS_H
#define NET_STREAM_TLS_H
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/net/stream.h"
#include "lib/net/tls.h"
#include "lib/net/tls_gate.h"

struct tls_peer; /* tls_identity.h */

enum { STREAM_PLAIN = -100001 }; /* no errno has this value */

/* The stream, connected and over TCP, speaks TLS as a server: takes a reference to it. already:
 * bytes that were read from it before; copied. The gate must outlive the stream. */
void stream_serve_tls(struct stream *stream, struct tls_server *server, struct tls_gate *gate,
                      struct str already);

/* As a client: name is asked for, and must be in the certificate. */
void stream_connect_tls(struct stream *stream, struct tls_client *client, struct str name);

/* Where the secrets of a handshake go, so that who has a capture of the connection can read it:
 * lines of SSLKEYLOGFILE (RFC 9850), each with its newline. Zeroed: nowhere. */
struct tls_key_sink {
	void (*add)(void *owner, struct str line);
	void *owner; /* lives until the handshake is over, or the stream closed */
};

/* Ahead of the handshake. */
void stream_log_keys(struct stream *stream, struct tls_key_sink sink);

/* Goes on with the handshake. 0: it is done (or the stream is no TLS stream); STREAM_WAIT;
 * STREAM_PLAIN: the client speaks no TLS (stream_drop_tls gives its bytes); or -errno: it failed,
 * an alert was sent, stream_tls_why tells. */
int stream_handshake(struct stream *stream);

/* Over TCP from now on. Bytes that were received and not decrypted are added to unread, unless that
 * is NULL. */
void stream_drop_tls(struct stream *stream, struct buf *unread);

bool stream_is_tls(const struct stream *stream);

/* What the peer and we agreed on by ALPN: "h2", "http/1.1"; empty: nothing, or no TLS. Valid while
 * the stream is open. */
struct str stream_tls_alpn(const struct stream *stream);

/* Why it broke, as a phrase for a log. Valid until the next operation. */
const char *stream_tls_why(const struct stream *stream);

/* Who a client's certificate says that it is; NULL: none was asked for or shown. Valid while the
 * stream is open, wherever it moves. */
const struct tls_peer *stream_tls_peer(const struct stream *stream);

enum tls_version {
	TLS_VERSION_OTHER,
	TLS_VERSION_1_3,
	TLS_VERSION_1_2,
	TLS_VERSION_1_1,
	TLS_VERSION_1_0,
	TLS_VERSIONS
};

/* "TLS/1.3"; "-" for TLS_VERSION_OTHER. */
const char *tls_version_name(enum tls_version version);

enum { TLS_SNI_BYTES = 256 };

/* What is known behind the handshake. All texts are NUL-terminated. */
struct tls_facts {
	enum tls_version version;
	const char *cipher; /* "TLS_AES_128_GCM_SHA256" */
	char sni[TLS_SNI_BYTES]; /* what the client asked for; empty: nothing */
	bool is_resumed;
	/* of a server: from the client's first bytes to the end of the handshake */
	uint64_t took_us;
};
/* False, and *out untouched: no TLS, or no handshake yet. */
bool stream_tls_facts(const struct stream *stream, struct tls_facts *out);

/* What a client asked for, as soon as its first message was read, also when the handshake failed;
 * empty: nothing. is_named: a certificate bears just this name, which is so for a bounded number of
 * names. */
void stream_tls_sni(const struct stream *stream, char out[TLS_SNI_BYTES], bool *is_named);

/* May a client of this connection ask for host (any case, without a port) on it? RFC 9110 §7.4: no,
 * if the certificate that its SNI got is not for host, and another one here is. Without TLS or SNI:
 * yes. */
bool stream_tls_may_serve(const struct stream *stream, struct str host);

#endif

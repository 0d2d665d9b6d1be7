/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/stream_tls_internal.h: a TLS stream between stream_tls.c (the operations of a stream),
 * stream_tls_handshake.c (how it begins, and what was agreed on) and stream_tls_wire.c (its
 * ciphertext). */
#ifndef NET_STREAM_TLS_INTERNAL_H
#define NET_STREAM_TLS_INTERNAL_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/net/stream_tls.h"
#include "lib/net/tls_internal.h"

/* One stream's. */
struct stream_tls {
	struct tls_side side;     /* the session's pointer */
	gnutls_session_t session; /* NULL: the client has said nothing yet */
	struct stream *stream;
	struct tls_peer *peer; /* NULL: no certificate */
	struct tls_gate *gate; /* NULL: a client */
	struct tls_pass pass;
	struct str in;   /* ciphertext at hand: in the loop's scratch, or in kept */
	struct buf kept; /* what an operation left of it */
	struct buf out;  /* ciphertext to be sent */
	int error;       /* -errno of what broke it; 0: it is whole */
	int tls_error;   /* GnuTLS's; 0: none */
	int64_t began_us, took_us; /* the handshake, from the client's first bytes on; monotonic */
	bool is_dry; /* pull had nothing to give: GnuTLS has seen all that there is */
	bool is_shaken, is_gathering, has_said_bye, is_remembered;
};

/* ---- stream_tls.c */

/* The stream is one of TLS from now on. */
struct stream_tls *stream_tls_begin(struct stream *stream);

/* GnuTLS says that it cannot go on: tells the peer, and remembers it. Returns the -errno. */
int stream_tls_fail(struct stream_tls *tls, int tls_error);

/* Did GnuTLS stop for want of bytes, or after a message that is none of ours? */
bool stream_tls_is_pause(ssize_t n);

/* GnuTLS has seen all that there is. Nothing follows when the peer has ended, within a record:
 * -ECONNRESET; else as stream_wait_for_edge. */
int stream_tls_wait(struct stream_tls *tls);

/* ---- stream_tls_wire.c */

/* Between GnuTLS and the socket, from now on: its session is there. */
void tls_wire_attach(struct stream_tls *tls);

/* More ciphertext, by one recv. 1: there is some; 0: the peer ended; -1: none now, or an error,
 * which stands in tls->error. */
int tls_wire_refill(struct stream_tls *tls);

/* At the end of each operation that may have pulled: the scratch is others' too. */
void tls_wire_keep_rest(struct stream_tls *tls);

/* Sends what waits in out, as far as the socket takes it. */
void tls_wire_flush(struct stream_tls *tls);

#endif

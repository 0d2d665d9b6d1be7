/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_internal.h: between tls.c (what TLS is spoken with) and stream_tls*.c (the speaking).
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H
#include <gnutls/gnutls.h>

#include "lib/net/stream_tls.h"
#include "lib/net/tls.h"

/* What the callbacks of a session find: its session pointer. One of the two is set. */
struct tls_side {
	struct tls_server *server; /* references */
	struct tls_client *client;
	char *name; /* a client: whose certificate it must be, and what is asked for; owned */
	char *why;  /* the peer's certificate was refused; owned; NULL: it was not */
	struct tls_staple *staple; /* that the handshake shows; a reference; NULL: none */
	struct tls_key_sink keys; /* until the handshake is over */
};

/* Would a new connection for host get a certificate of that name, while the one that was shown for
 * sni has it not? */
bool tls_server_has_better(const struct tls_server *server, struct str sni, struct str host);
/* Does a certificate bear just this name, not by a wildcard? */
bool tls_server_has_name(const struct tls_server *server, struct str host);

/* A session with all set but its transport. NULL: no memory. */
gnutls_session_t tls_session_create(struct tls_side *side);

/* Behind a handshake as the server: a ticket for the client, where it can have one. */
void tls_session_send_ticket(gnutls_session_t session, const struct tls_side *side);

/* A client whose session got a ticket remembers it for the next. */
void tls_session_remember(gnutls_session_t session, const struct tls_side *side);

/* Its secrets go to its side's sink from now on, or nowhere any more if that is empty. */
void tls_session_log_keys(gnutls_session_t session);

void tls_side_fini(struct tls_side *side);

#endif

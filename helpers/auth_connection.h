/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_connection.h: schemes by which a connection, not a request, is authenticated: NTLM
 * and Negotiate (RFC 4559). Squid: auth_param ntlm, auth_param negotiate.
 *     ask:    YR TOKEN [SP extras]            the client's first token
 *     answer: TT TOKEN                        a challenge, which goes to the client as it is
 *     ask:    KK TOKEN [SP extras]            what it says to that, to the same child
 *     answer: AF [TOKEN] USER | OK user=USER [token=TOKEN]   let in; TOKEN proves who we are
 *             NA ... | ERR ... | BH ...       refused
 * Who was let in stays so until the connection ends or brings another token.
 *
 * Threads: one loop's, that of the connection. */
#ifndef HELPERS_AUTH_CONNECTION_H
#define HELPERS_AUTH_CONNECTION_H
#include "helpers/auth_users.h"
#include "lib/base/buf.h"

struct auth_connection; /* what is known of a client's connection; opaque */

/* A scheme of those, as asked about. */
struct auth_connection_scheme {
	struct str name; /* "NTLM"; a literal */
	struct helper_pool *pool;
};

/* Accepts NULL. Nothing may be asked any more: queries are finished first. */
void auth_connection_destroy(struct auth_connection *connection);

/* credentials: the value of an Authorization field of that scheme. *connection is made when it is
 * NULL. query->verdict is what it returns; AUTH_FAILED without an answer may mean that the client
 * is to go on: auth_connection_challenge. */
enum auth_verdict auth_connection_check(struct auth_connection **connection,
                                        const struct auth_connection_scheme *scheme,
                                        struct str credentials, struct str extras,
                                        struct auth_query *query);

/* Who it is, by this scheme; NULL: nobody yet. Borrowed. connection may be NULL, here and below. */
struct auth_answer *auth_connection_user(const struct auth_connection *connection,
                                         struct str name);
/* The token that the client of this scheme is to be sent with a 401; at NULL: it is in no
 * conversation. */
struct str auth_connection_challenge(const struct auth_connection *connection, struct str name);
/* Adds `NAME TOKEN`, which belongs to the reply that lets it in, once. False: there is none. */
bool auth_connection_take_proof(struct auth_connection *connection, struct buf *out);
/* Credentials of another scheme came: it is nobody again. */
void auth_connection_forget(struct auth_connection *connection);

#endif

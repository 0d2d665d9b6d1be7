/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_identity.h: who a peer says that it is: the names in its certificate, once that is
 * verified. Immutable after they were made; the owner's thread. */
#ifndef NET_TLS_IDENTITY_H
#define NET_TLS_IDENTITY_H
#include <gnutls/gnutls.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* One part of a distinguished name. */
struct tls_attribute {
	struct str oid;  /* "2.5.4.3" */
	struct str name; /* "CN"; the oid where there is none */
	struct str value;
};

struct tls_identity {
	struct str dn; /* "/C=FI/CN=Matti", as OpenSSL prints it on one line */
	struct tls_attribute *at;
	size_t n;
};

struct tls_peer {
	struct tls_identity subject, issuer;
	struct arena arena_; /* all of it */
};

/* The peer's certificate of a session; NULL: it has shown none, or none that can be read. */
struct tls_peer *tls_peer_create(gnutls_session_t session);
void tls_peer_destroy(struct tls_peer *peer); /* accepts NULL */

/* The next value behind after (NULL: the first) of an attribute by name or oid, without case; "DN"
 * is all of it. NULL: there is none. */
const struct str *tls_identity_next(const struct tls_identity *identity, struct str name,
                                    const struct str *after);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_certificate.h: a certificate with its chain, its private key and, perhaps, a stapled
 * OCSP answer, ready to be shown to peers.
 *
 * Threads: immutable after tls_certificate_create but for the staple, behind a lock; counted
 * atomically, used by all. */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum { TLS_MAX_CHAIN = 16 };

struct tls_certificate; /* opaque */
struct tls_staple;      /* lib/net/tls_ocsp.h */

/* PEM texts, borrowed. */
struct tls_pem {
	struct str cert; /* the server's own first, then those that vouch for it */
	struct str key;  /* may be the text of cert again */
	struct str ocsp; /* DER or PEM; empty: none */
	const char *password; /* of the key; NULL: none is known */
};

/* Fails when the texts are none, do not belong together, or the key needs another password. An OCSP
 * answer that is not about this certificate, or too old, is left out, and why says so. */
enum err tls_certificate_create(const struct tls_pem *pem, struct tls_certificate **out,
                                struct err_text *why);
struct tls_certificate *tls_certificate_ref(struct tls_certificate *certificate);
void tls_certificate_unref(struct tls_certificate *certificate); /* accepts NULL */

/* The host names that it is for: the dNSName entries, else the common name. */
size_t tls_certificate_count_names(const struct tls_certificate *certificate);
struct str tls_certificate_name(const struct tls_certificate *certificate, size_t i);

/* When its time ends, in seconds since 1970. */
int64_t tls_certificate_expires_s(const struct tls_certificate *certificate);

/* Its key's: RSA, ECDSA, ... */
gnutls_pk_algorithm_t tls_certificate_algorithm(const struct tls_certificate *certificate);

/* What GnuTLS shows to a peer; all of it stays the certificate's. */
void tls_certificate_show(const struct tls_certificate *certificate, gnutls_pcert_st **chain,
                          unsigned *nchain, gnutls_privkey_t *key);

/* What is shown along with it, of the file or newer (lib/net/tls_ocsp.h), with a reference that the
 * caller drops; it may have expired. NULL: nothing. */
struct tls_staple *tls_certificate_staple(const struct tls_certificate *certificate);
/* Takes over the reference. */
void tls_certificate_set_staple(struct tls_certificate *certificate, struct tls_staple *staple);

#endif

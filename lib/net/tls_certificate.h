/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_certificate.h: a certificate with its chain, its private key and, perhaps, a stapled
 * OCSP answer, ready to be shown to peers.
 *
 * Threads: immutable after tls_certificate_create, counted atomically, used by all. */
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

/* PEM texts, borrowed. */
struct tls_pem {
	struct str cert; /* the server's own first, then those that vouch for it */
	struct str key;  /* may be the text of cert again */
	struct str ocsp; /* DER or PEM; empty: none */
	const char *password; /* of the key; NULL: none is known */
};

/* Fails when the texts are none, do not belong together, or the key needs another password. An OCSP answer
 * that is not about this certificate, or too old, is left out, and why says so. */
enum err tls_certificate_create(const struct tls_pem *pem, struct tls_certificate **out,
                                struct err_text *why);
struct tls_certificate *tls_certificate_ref(struct tls_certificate *certificate);
void tls_certificate_unref(struct tls_certificate *certificate); /* accepts NULL */

/* The host names that it is for: the dNSName entries, else the common name. */
size_t tls_certificate_count_names(const struct tls_certificate *certificate);
struct str tls_certificate_name(const struct tls_certificate *certificate, size_t i);

/* When its time ends, and when that of its staple does (0: there is none), in seconds since 1970. */
int64_t tls_certificate_expires_s(const struct tls_certificate *certificate);
int64_t tls_certificate_ocsp_expires_s(const struct tls_certificate *certificate);

gnutls_pk_algorithm_t tls_certificate_algorithm(const struct tls_certificate *certificate);

/* What GnuTLS shows to a peer; all of it stays the certificate's. *nocsp is 0 without a staple that
 * holds at now_s. */
void tls_certificate_show(const struct tls_certificate *certificate, int64_t now_s,
                          gnutls_pcert_st **chain, unsigned *nchain, gnutls_privkey_t *key,
                          gnutls_ocsp_data_st **ocsp, unsigned *nocsp);

#endif

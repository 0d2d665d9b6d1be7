/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_ocsp.h: what a certificate's issuer says of it (OCSP, RFC 6960): the question to its
 * responder, and answers, which are stapled to handshakes (RFC 6066 §8).
 *
 * Threads: any; an answer is immutable and counted atomically. */
#ifndef NET_TLS_OCSP_H
#define NET_TLS_OCSP_H
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct tls_certificate; /* lib/net/tls_certificate.h */
struct tls_staple;      /* opaque: an answer that may be shown */

enum { TLS_OCSP_URL_BYTES = 512, TLS_OCSP_MAX_BYTES = 65536 };

/* The first http:// address that the certificate names (AIA), NUL-terminated. False: there is
 * none. */
bool tls_ocsp_responder(const struct tls_certificate *certificate, char url[TLS_OCSP_URL_BYTES]);

/* The question, in DER, is added to out. Fails when the issuer's certificate is not in the
 * chain. */
enum err tls_ocsp_ask(const struct tls_certificate *certificate, struct buf *out,
                      struct err_text *why);

/* bytes: DER or PEM. Fails unless it says that this certificate is good, for some time from now on,
 * and unless the issuer, where the chain has it, or whom it delegated that to has signed it. */
enum err tls_ocsp_judge(const struct tls_certificate *certificate, struct str bytes,
                        struct tls_staple **out, struct err_text *why);

struct tls_staple *tls_staple_ref(struct tls_staple *staple);
void tls_staple_unref(struct tls_staple *staple); /* accepts NULL */

/* From when to when it holds, in seconds since 1970. */
int64_t tls_staple_from_s(const struct tls_staple *staple);
int64_t tls_staple_until_s(const struct tls_staple *staple);

/* What GnuTLS shows, and does not change; the staple's. */
gnutls_ocsp_data_st *tls_staple_show(struct tls_staple *staple);

#endif

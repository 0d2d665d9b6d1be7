/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls.h: what TLS is spoken with: certificates, whom to trust, which versions and suites.
 * One side of a port or of a peer; streams (stream_tls.h) hold a reference for as long as they
 * live, so a renewed one leaves open connections alone.
 *
 * Threads: immutable after create (but for a client's remembered session, behind a lock), counted
 * atomically, used by all. Texts given are borrowed for the call. */
#ifndef NET_TLS_H
#define NET_TLS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct tls_certificate; /* tls_certificate.h */
struct tls_client;      /* opaque */
struct tls_server;      /* opaque */

enum { TLS_TICKET_KEY_BYTES = 64, TLS_MAX_ALPN = 4 };

/* Whose certificates are believed. */
struct tls_trust {
	const struct str *cas; /* PEM texts */
	size_t ncas;
	const char *ca_dir; /* hashed or not; NULL: none */
	struct str crl;     /* PEM; at NULL: none; with none in it nobody is believed (ERR_INPUT) */
	bool has_system;    /* the system's CAs too */
};

/* Client certificates. */
enum tls_ask {
	TLS_ASK_NONE,
	TLS_ASK_MAY,  /* one is asked for, and verified if it comes */
	TLS_ASK_MUST, /* the handshake fails without a good one */
};

struct tls_server_config {
	const char *priorities; /* GnuTLS's priority string */
	struct tls_certificate *const *certificates; /* the first is for names that none is for */
	size_t ncertificates; /* 0: each handshake ends with an alert */
	enum tls_ask ask;
	struct tls_trust trust;
	/* What tickets are sealed with; GnuTLS derives keys from it that change by the hour. Equal
	 * keys mean that a session may go on with another tls_server. NULL: no tickets. */
	const uint8_t *ticket_key;
	int ticket_s; /* how long a session may go on after its handshake */
	const char *const *alpn; /* in the order of preference */
	size_t nalpn;
};

/* Certificates are referenced. On failure *out is untouched. */
enum err tls_server_create(const struct tls_server_config *config, struct tls_server **out,
                           struct err_text *why);
struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server); /* accepts NULL */

struct tls_client_config {
	const char *priorities;
	struct tls_certificate *certificate; /* for servers that ask for one; NULL: none */
	struct tls_trust trust;
	bool is_trusting; /* any certificate will do */
	bool is_any_name; /* a good one, whatever name is in it */
	/* Sessions go on: only for a client that always speaks to the same server. */
	bool keeps_session;
};

enum err tls_client_create(const struct tls_client_config *config, struct tls_client **out,
                           struct err_text *why);
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client); /* accepts NULL */

#endif

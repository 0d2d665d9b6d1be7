/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/tls_table.h: what each TLS port and TLS peer of the server speaks TLS with now. An
 * entry outlives snapshots, as peers' states do: a renewed certificate takes the place of the old
 * one for the handshakes to come, and open connections keep what they began with.
 *
 * Threads: entries are made and renewed by one thread at a time (the main one); any takes what is
 * in them. Memory: entries stay until the table goes. */
#ifndef PROXY_TLS_TABLE_H
#define PROXY_TLS_TABLE_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct port;       /* squid-compat/ports.h */
struct tls_files;  /* squid-compat/tls/tls_files.h */
struct tls_certificate; /* lib/net/tls_certificate.h */
struct tls_client; /* lib/net/tls.h */
struct tls_outgoing; /* squid-compat/tls/tls_outgoing.h */
struct tls_server;

struct tls_peer;  /* opaque: an entry */
struct tls_port;
struct tls_table; /* opaque */

struct tls_table *tls_table_create(void);
void tls_table_destroy(struct tls_table *table); /* accepts NULL */

/* The entry of a port, made of its options and those files. A certificate that cannot be used is
 * logged (is_renewal: else the reading of squid.conf has said it), and the one that was under the
 * same name before stays in use; so does all of it when CAs or CRLs cannot be used. Without
 * anything to fall back on handshakes end with an alert. */
struct tls_port *tls_table_set_port(struct tls_table *table, const struct port *port,
                                    const struct tls_files *files, bool is_renewal);

/* With a reference that the caller drops. */
struct tls_server *tls_port_server(struct tls_port *entry);

/* The certificates that it shows, in the order of the files, with the path of each; NULL behind the
 * last. Valid until the entry is renewed: the thread's that does so. */
struct tls_certificate *tls_port_certificate(const struct tls_port *entry, size_t i,
					     const char **path);

/* The same of a cache_peer, by its name, or of tls_outgoing_options ("" is no peer's name). */
struct tls_peer *tls_table_set_peer(struct tls_table *table, struct str name,
                                    const struct tls_outgoing *outgoing,
                                    const struct tls_files *files, bool is_renewal);

/* The same; NULL: its CAs or CRLs cannot be used, so it cannot be verified. */
struct tls_client *tls_peer_client(struct tls_peer *entry);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/certificate_list.h: the certificates of all ports, those that expire first before
 * others.
 *
 * Threads: the main thread, which renews them; the list is valid until it does. */
#ifndef PROXY_CERTIFICATE_LIST_H
#define PROXY_CERTIFICATE_LIST_H
#include <stddef.h>
#include <stdint.h>

struct port;            /* squid-compat/ports.h */
struct snapshot;        /* proxy/snapshot.h */
struct tls_certificate; /* lib/net/tls_certificate.h */

enum { CERTIFICATE_LIST_MAX = 100 }; /* a folder may hold thousands */

struct certificate_list {
	size_t n, total; /* of the total, n are in the list */
	struct certificate_entry {
		int64_t expires_s; /* since 1970 */
		const struct port *port;
		const char *path;
		const struct tls_certificate *certificate;
	} entries[CERTIFICATE_LIST_MAX];
};

/* snapshot may be NULL. */
void certificate_list_fill(struct certificate_list *list, const struct snapshot *snapshot);

#endif

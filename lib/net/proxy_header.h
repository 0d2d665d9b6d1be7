/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/proxy_header.h: what a load balancer sends ahead of a connection's own bytes to say whose
 * connection it is: the PROXY protocol, versions 1 and 2.
 *
 *     "PROXY TCP4|TCP6 SOURCE DESTINATION SPORT DPORT" CRLF, or "PROXY UNKNOWN" ... CRLF
 *     12 bytes of signature, version and command, family, length; addresses, then extras
 * Total and incremental: the caller shows all bytes so far, and the verdict is the same whatever
 * the split. Threads: any; no allocation. */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/net/addr.h"

/* A longer header is an error: addresses take 52 bytes, the rest would be extras. */
enum { PROXY_HEADER_MAX_BYTES = 4096 };

enum proxy_header_verdict {
	PROXY_HEADER_MORE,
	PROXY_HEADER_DONE,
	PROXY_HEADER_ERROR,
};

struct proxy_header {
	size_t len;              /* the connection's own bytes begin here */
	bool has_addrs;          /* false: the balancer speaks for itself, or does not know */
	struct addr client, local; /* with their ports */
};

/* *out is filled when the verdict is DONE. */
enum proxy_header_verdict proxy_header_parse(const char *bytes, size_t len,
                                             struct proxy_header *out);

enum { PROXY_HEADER_MADE_BYTES = 128 }; /* more than one that is made here has */

/* Writes the header that says so, in version 1 or 2, and returns its length. An address of no IP
 * (a Unix socket's, none at all) makes it "unknown". */
size_t proxy_header_write(unsigned version, const struct addr *client, const struct addr *local,
                          char out[PROXY_HEADER_MADE_BYTES]);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/tls_loads.h: the certificates of one port or peer, loaded from what its files hold; a
 * file that is broken now leaves in use what it held before. One thread's. */
#ifndef PROXY_TLS_LOADS_H
#define PROXY_TLS_LOADS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_certificate; /* lib/net/tls_certificate.h */
struct tls_files;       /* squid-compat/tls/tls_files.h */

/* A certificate in use, and what it was made of. */
struct tls_loaded {
	char *path;
	uint64_t hash; /* of its files */
	struct tls_certificate *certificate;
};

struct tls_loads {
	struct tls_loaded *at; /* in the order of the files; without those that cannot be used */
	size_t n;
};

/* Beside the old ones, which stay the caller's. What cannot be used is logged if is_renewal: else
 * the reading of squid.conf has said so. */
struct tls_loads tls_loads_make(const struct tls_loads *old, const struct tls_files *files,
                                bool is_renewal);
void tls_loads_fini(struct tls_loads *loads); /* fine on a zeroed one */

/* A number that changes with the contents of the files. */
uint64_t tls_loads_hash(const struct tls_files *files);

#endif

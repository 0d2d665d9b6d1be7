/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_names.h: which of many certificates goes by a host name: exact names, and wildcards
 * for one whole label at the left end (RFC 6125 §6.4.3). A look-up is two of a hash table at most,
 * however many names there are.
 *
 * Threads: one adds; immutable afterwards, for all. */
#ifndef NET_TLS_NAMES_H
#define NET_TLS_NAMES_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct tls_names; /* opaque */

/* One of the values under a name. */
struct tls_name {
	struct tls_name *next_; /* in the bucket */
	unsigned value;
	struct str text; /* lower case: "www.example.com", "*.example.com" */
};

struct tls_names *tls_names_create(size_t nexpected);
void tls_names_destroy(struct tls_names *names); /* accepts NULL */

/* One name may have several values: they are found in the order in which they were added. A name
 * that no host can have, or a wildcard in another place, is left out: false. */
bool tls_names_add(struct tls_names *names, struct str name, unsigned value);

/* The first value for a host (any case, with or without a dot at its end): of the exact name, else
 * of a wildcard. NULL: there is none. */
const struct tls_name *tls_names_find(const struct tls_names *names, struct str host);
/* The next value of the same name; NULL: that was the last. */
const struct tls_name *tls_names_next(const struct tls_name *found);

/* Is a host (any case) one of those that a certificate's name means? */
bool tls_name_means(struct str name, struct str host);

#endif

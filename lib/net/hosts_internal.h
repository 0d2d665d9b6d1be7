/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/hosts_internal.h: a hosts file in memory. Immutable once loaded; any thread.
 *
 * Lines of `IP NAME [NAME…]` with `#` before comments; a line that is none of this is passed over.
 */
#ifndef NET_HOSTS_INTERNAL_H
#define NET_HOSTS_INTERNAL_H
#include "lib/net/addr.h"

enum { HOSTS_MAX_BYTES = 16 << 20, HOSTS_MAX_NAMES = 1 << 20 };

struct hosts; /* opaque */

/* What can be read of the file: nothing if it is not there, and no more than HOSTS_MAX_BYTES. */
struct hosts *hosts_load(const char *path);
/* The same from text. */
struct hosts *hosts_parse(struct str text);
void hosts_destroy(struct hosts *hosts); /* accepts NULL */

/* The addresses of a name (in lower case), in the file's order, at most max. Returns how many. */
unsigned hosts_find(const struct hosts *hosts, struct str name, struct addr *addrs, unsigned max);

/* The first name of the first line with that address; empty: it has none. */
struct str hosts_find_name(const struct hosts *hosts, const struct addr *addr);

#endif

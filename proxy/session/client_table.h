/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/client_table.h: how many connections each client has open at the moment, for
 * client_ip_max_connections and ACLs of type maxconn; of IPv6 a /64 is one client
 * (addr_client_bytes). An entry is there while it counts something, so the connections bound the
 * table.
 *
 * Threads: all workers share one table; a leaf lock a shard, held for a look along one bucket. */
#ifndef PROXY_CLIENT_TABLE_H
#define PROXY_CLIENT_TABLE_H
#include <stdbool.h>

#include "lib/net/addr.h"

struct client_count; /* opaque: one address's */
struct client_table; /* opaque */

struct client_table *client_table_create(void);
void client_table_destroy(struct client_table *table); /* counts nothing any more; accepts NULL */

/* Connections from addr now; 0 for what has no address (the ends of a Unix socket). */
unsigned client_table_connections(struct client_table *table, const struct addr *addr);

/* Counts one more. The caller gives the answer back to client_table_leave when the connection ends;
 * NULL: addr is no address, and nothing is counted. */
struct client_count *client_table_enter(struct client_table *table, const struct addr *addr);
void client_table_leave(struct client_table *table, struct client_count *count); /* accepts NULL */

/* Connections of that address now, without a lock; 0 for NULL. */
unsigned client_count_now(const struct client_count *count);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/clients.h: what each client address asked a worker for. Squid: client_db.
 *
 * A connection looks its client up once; counting is an increment. The number of clients is
 * bounded: those without a connection go first, the one that left longest ago before the others.
 *
 * Threads: one worker's. */
#ifndef PROXY_CLIENTS_H
#define PROXY_CLIENTS_H
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/net/addr.h"
#include "squid-compat/log/log_tags.h"

enum { CLIENTS_MAX = 1024 };

struct client_counts {
	struct addr addr; /* port 0 */
	uint32_t nconns;  /* open ones */
	uint32_t tags[LOG_TAG_COUNT];
};

struct client {
	struct list node_; /* of those without a connection */
	struct client *next_;
	struct client_counts counts;
};

struct clients; /* opaque */
struct snapshot;

struct clients *clients_create(void);
void clients_destroy(struct clients *clients); /* accepts NULL */

/* A connection of that client; NULL: there are too many clients, it is not counted. */
struct client *clients_enter(struct clients *clients, const struct addr *addr);
/* The same for a connection whose *counts is NULL until now, where client_db is on. Returns
 * *counts. */
struct client *clients_enter_once(struct clients *clients, const struct snapshot *snapshot,
				  struct client **counts, const struct addr *addr);
void clients_leave(struct clients *clients, struct client *client); /* accepts NULL */

/* Adds the struct client_counts of all. */
void clients_copy(const struct clients *clients, struct buf *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/tls_watch.h: notices that a file of a certificate, key, CA or CRL has changed, and has
 * it read again. The parent, which may read keys, watches; what it reads goes to the kid as a
 * transcript.
 *
 * Threads: the main thread's of its process. */
#ifndef PROXY_TLS_WATCH_H
#define PROXY_TLS_WATCH_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/loop.h"

struct config;
struct tls_table;
struct world; /* squid-compat/world.h */

struct tls_watch {
	struct loop *loop;
	struct timer timer_;
	const struct config *config_;
	uint64_t stamp_;
	bool (*changed)(void *owner);
	void *owner;
};

/* changed is called from the loop, every few seconds at most; false: not now, ask again. */
void tls_watch_init(struct tls_watch *watch, struct loop *loop, bool (*changed)(void *owner),
                    void *owner);
void tls_watch_stop(struct tls_watch *watch); /* fine on a zeroed one */

/* The files of this configuration from now on, which stays the caller's. */
void tls_watch_follow(struct tls_watch *watch, const struct config *config);

/* A descriptor (the caller's) of all that the TLS lines of config name, as the files are now; -1:
 * it could not be made. */
int tls_watch_record(const struct config *config);
/* Takes it over: what has changed is in use then. */
void tls_watch_replay(const struct config *config, struct tls_table *table, int fd);

/* The same in one process. */
void tls_watch_renew(const struct config *config, struct tls_table *table,
                     const struct world *world);

#endif

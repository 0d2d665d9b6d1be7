/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/tally.h: what all workers have counted, added up. Each is asked by mail and copies
 * its own counters, so that counting costs a worker nothing else. */
#ifndef PROXY_TALLY_H
#define PROXY_TALLY_H
#include "proxy/worker.h"

struct tally {
	struct counters counters;
	struct service_times times;
	struct loop_counts loops;
	unsigned nsessions;
};

/* Adds part to total. */
void tally_add(struct tally *total, const struct tally *part);

struct tally_request; /* opaque; lives until done is called, or all have answered after a cancel */

/* done comes from loop, which is the caller's, when all workers have answered: never from within
 * this call. Ask before server_post_stop. */
struct tally_request *tally_ask(struct server *server, struct loop *loop,
                                void (*done)(void *owner, const struct tally *tally), void *owner);
/* done will not be called. On the loop's thread; accepts NULL. */
void tally_cancel(struct tally_request *request);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/worker_load.h: what a worker does about its load: it looks for signs of too much
 * (overload.h), turns away what would need an origin, and closes idle connections when descriptors
 * run out.
 *
 * Threads: the worker's own. */
#ifndef PROXY_WORKER_LOAD_H
#define PROXY_WORKER_LOAD_H
#include <stdbool.h>

struct config;
struct worker;

enum { WORKER_LOAD_RETRY_AFTER_S = 5 }; /* for who is turned away */

void worker_load_init(struct worker *worker);
void worker_load_stop(struct worker *worker); /* its loop is about to end */

/* Is there too much under way for one fetch more? */
bool worker_load_refuses_fetch(struct worker *worker, const struct config *config);

/* Another fetch, or one fewer. */
void worker_load_count_fetch(struct worker *worker, int change);

/* A connection came in as fd. True: no more for the moment. */
bool worker_load_accepted(struct worker *worker, int fd);

/* A call failed with error for want of descriptors or memory of the system: EMFILE, ENFILE, ENOBUFS
 * or ENOMEM. False: error is another one, and nothing is done. */
bool worker_load_is_short(struct worker *worker, int error);

/* Closes some idle connections, to origins or else of clients, if there are: true. */
bool worker_load_shed(struct worker *worker);

#endif

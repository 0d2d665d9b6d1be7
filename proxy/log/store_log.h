/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/store_log.h: store.log (cache_store_log), a line for each response that the disk has
 * stored (SWAPOUT) and for each that was fetched and not kept (RELEASE), in Squid's format.
 *
 * Threads: made and destroyed by one while no other uses it; lines come from any. */
#ifndef PROXY_STORE_LOG_H
#define PROXY_STORE_LOG_H
#include "lib/base/str.h"

struct config;
struct log_writer;
struct object;
struct store_log; /* opaque */

/* nworkers: the number of the log writer's batch for everybody else. NULL: config wants none, or it
 * cannot be opened, which is logged. */
struct store_log *store_log_create(const struct config *config, struct log_writer *writer,
				   unsigned nworkers);
void store_log_destroy(struct store_log *log); /* accepts NULL */

/* The disk has it; all it has. */
void store_log_stored(struct store_log *log, struct object *object);
/* It came to its end, and was kept nowhere. */
void store_log_released(struct store_log *log, struct object *object);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/event_table.h: how often something happened within a window that begins with its
 * first time, by key, in constant memory (256 KiB).
 *
 * Sets of 8 slots, as in rate_table.h. When more than 8 keys meet in a set within one window, the
 * one that was counted least is forgotten: who happens often stays.
 *
 * Threads: any; atomics, relaxed: nothing else hangs on them. */
#ifndef PROXY_EVENT_TABLE_H
#define PROXY_EVENT_TABLE_H
#include <stdint.h>

struct event_table; /* opaque */

struct event_table *event_table_create(void);
void event_table_destroy(struct event_table *table); /* accepts NULL */
uint64_t event_table_seed(const struct event_table *table);

/* It happened again. The number of times within the window of window_ms that is open now. */
unsigned event_table_count(struct event_table *table, uint64_t key, int64_t window_ms,
                           int64_t now_ms);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/memory_room.h: what is done when the memory that control groups leave us runs out,
 * since the system ends a process that goes beyond. Counted is what cannot be taken back at once:
 * files that the system keeps in memory do not count, nor does what it may swap out.
 *
 * - From seven eighths of a limit on, the objects in memory make room; below three quarters they
 * get it
 *    back, a piece a second.
 * - From fifteen sixteenths on it is an overload (OVERLOAD_MEMORY), and idle connections are
 * closed.
 *
 * Limit or not, what nobody needs any more goes back to the system (lib/base/heap_idle.h).
 *
 * Threads: the main thread's. */
#ifndef PROXY_MEMORY_ROOM_H
#define PROXY_MEMORY_ROOM_H
#include <stdint.h>

struct loop;
struct memory_room; /* opaque */
struct server;

/* Of the group in which the least is left: memory.max or memory.high, and what is in use;
 * UINT64_MAX: no limit. */
struct memory_use {
	uint64_t limit, used;
};
/* root: CONTROL_GROUP_ROOT. */
struct memory_use memory_room_measure(const char *root);

/* Looks at once, and then from time to time. */
struct memory_room *memory_room_start(struct server *server, struct loop *loop);
void memory_room_stop(struct memory_room *room); /* accepts NULL */

#endif

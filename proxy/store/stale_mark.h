/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/stale_mark.h: a soft purge of an object in memory. Threads: any. */
#ifndef PROXY_STALE_MARK_H
#define PROXY_STALE_MARK_H

struct object;
struct server;

/* A copy of a whole object that is stale from now on (a reference that the caller drops). It takes
 * the object's place in memory, if that has one. */
struct object *stale_mark(struct server *server, struct object *object);

#endif

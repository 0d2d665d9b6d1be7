/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/lingering.h: a body that memory does not hold whole is found between its end and its
 * commit to disk: as itself where its beginning is still there (held back, or in a spool), else by
 * waiting for the disk. One that no disk takes is found for as long as somebody reads it. Threads:
 * any. */
#ifndef PROXY_LINGERING_H
#define PROXY_LINGERING_H

struct object;
struct server;

/* The object stands in the index, in flight, and has ended. It leaves it by itself. */
void lingering_begin(struct server *server, struct object *object);

#endif

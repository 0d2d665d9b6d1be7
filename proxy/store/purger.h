/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/purger.h: a purge by pattern, from its beginning to its count: it stands on the list
 * of purges (cache/purge.h), memory is walked through in slices, the disks walk through their rows,
 * which look-ups find no more, and then memory once more for what came from there meanwhile. It
 * runs to its end, whether anybody waits for it or not.
 *
 * Threads: the main thread's loop. */
#ifndef PROXY_PURGER_H
#define PROXY_PURGER_H
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct purge;
struct purger; /* opaque */
struct server;

struct purger_count {
	uint64_t memory, disk; /* objects: one that is in both counts twice */
	uint64_t seen, total;  /* rows of the disks */
	int64_t took_ms;
	bool is_waiting; /* a disk cannot be written now; the purge goes on when it can */
	bool is_cut;     /* the program stops */
};

struct purger_order {
	struct purge *purge;    /* gets a reference of its own */
	const char *who, *what; /* for purge_log; copied */
	void (*done)(void *owner, const struct purger_count *count); /* from loop, later */
	void *owner;
};

struct purger *purger_start(struct server *server, struct loop *loop,
			    const struct purger_order *order);
/* How far it has come. */
void purger_look(const struct purger *purger, struct purger_count *out);
/* done will not be called. Accepts NULL. */
void purger_leave(struct purger *purger);

#endif

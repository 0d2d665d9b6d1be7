/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/spool.h: files without a name, in which bodies lie that several clients read at once, while
 * some of them are behind (object_join in cache/object.h). A spool holds bytes [from, end) of a
 * body: it grows at its end, and may be trimmed at its beginning.
 *
 * A place is a folder, or memory; of each a budget is used at most. A file goes with its spool.
 * Threads: one of its own writes, and reads what the system does not have in memory
 * (spools_loop). */
#ifndef CACHE_SPOOL_H
#define CACHE_SPOOL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/err.h"
#include "lib/net/loop.h"

struct spools; /* opaque: all places */
struct spool;  /* opaque */

struct spool_place {
	const char *directory; /* copied; NULL: memory */
	uint64_t max_bytes;    /* of all spools there */
};

enum { SPOOLS_MAX_PLACES = 32 };

/* NULL, and why: there is no thread to be had. */
struct spools *spools_create(const struct spool_place *places, unsigned nplaces,
			     struct err_text *why);
/* Who still writes is told to stop, and the thread ends: before the loops go that asked it. Accepts
 * NULL. */
void spools_stop(struct spools *spools);
/* When all spools have gone. Accepts NULL. */
void spools_destroy(struct spools *spools);

/* Where spools are made, written and trimmed. */
struct loop *spools_loop(struct spools *spools);
uint64_t spools_used_bytes(const struct spools *spools); /* any thread */

struct spool_stats {
	const char *directory; /* of the place, lives as long as the spools; NULL: memory */
	uint64_t objects;      /* that have a spool there */
	uint64_t used_bytes, max_bytes; /* of memory also what spools_hold took */
	uint64_t refused;      /* how often there was no room */
};
/* The nth place; false: there are fewer. Any thread; spools may be NULL. */
bool spools_stats(const struct spools *spools, unsigned nth, struct spool_stats *out);
/* Bytes that are not in a spool yet, but may have to be, take their part of the budget of memory.
 * False: it is used up. Any thread. */
bool spools_hold(struct spools *spools, uint64_t bytes);
void spools_let_go(struct spools *spools, uint64_t bytes);

/* ---- from spools_loop */

/* NULL: no place has one. stop(owner): the end has come, before spool_end_writing. */
struct spool *spool_create(struct spools *spools, void (*stop)(void *owner), void *owner);

enum spool_wrote {
	SPOOL_WROTE,
	SPOOL_FULL,   /* the budget is used up: nothing was written */
	SPOOL_BROKEN, /* the file takes no more; said in the log */
};
enum spool_wrote spool_append(struct spool *spool, const struct iovec *iov, int niov);
/* What lies before offset is not wanted any more; if that is behind its end, what is appended next
 * lies there. */
void spool_trim(struct spool *spool, uint64_t offset);
void spool_end_writing(struct spool *spool);

/* ---- from any thread */

/* Up to len bytes from offset, which is in the spool: how many; -EAGAIN: that would wait for the
 * device; or another -errno. */
ssize_t spool_read_now(const struct spool *spool, uint64_t offset, void *into, size_t len);
/* The same, and waits. */
ssize_t spool_read(const struct spool *spool, uint64_t offset, void *into, size_t len);
/* After spool_end_writing, if it is written to. Accepts NULL. */
void spool_destroy(struct spool *spool);

#endif

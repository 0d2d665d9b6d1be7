/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/spares.h: blocks of one kind that were used and will be again, newest first, so that a
 * busy thread does not ask the heap for them. As many are kept as are in use, within bounds: a
 * crowd that has gone leaves few behind.
 *
 * A block has a struct list for the time it is spare; its memory is the caller's. Threads:
 * one's. */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H
#include "lib/base/list.h"

enum { SPARES_LEAST = 64, SPARES_MOST = 512 }; /* blocks that may be kept */

struct spares {
	struct list list;
	unsigned n, nused;
};

static inline void spares_init(struct spares *spares)
{
	list_init(&spares->list);
	spares->n = spares->nused = 0;
}

/* One more is in use: this one, or, with NULL, one that the caller allocates. */
static inline struct list *spares_take(struct spares *spares)
{
	struct list *node = list_pop_front(&spares->list);

	spares->nused++;
	spares->n -= node != NULL;
	return node;
}

/* One that spares_take counted is not in use any more. */
static inline void spares_give(struct spares *spares, struct list *node)
{
	list_push_front(&spares->list, node);
	spares->n++;
	spares->nused--;
}

/* One more than are to be kept, for the caller to free; NULL: there is none. */
static inline struct list *spares_surplus(struct spares *spares)
{
	struct list *oldest = spares->list.prev;

	if (spares->n <= SPARES_LEAST ||
	    (spares->n <= SPARES_MOST && spares->n <= spares->nused))
		return NULL;
	list_remove(oldest);
	spares->n--;
	return oldest;
}

#endif

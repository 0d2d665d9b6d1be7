/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/epoch.h: taking things out of a structure that others read without a lock.
 *
 * A reader brackets its walk by epoch_enter and epoch_leave: a store each, to memory of its own.
 * Whoever unlinks a thing hands it to epoch_retire: it is freed once every reader that may have
 * seen it has left, which mostly means at once, by the same call; else by a later one, or by
 * epoch_reclaim. Nobody waits.
 *
 * For the argument to hold, the links that readers follow are _Atomic, and read and written with
 * memory_order_seq_cst: either the reader's walk comes after the unlinking, or its epoch_enter
 * comes before the look at who reads.
 *
 * Threads: any. Between enter and leave: short, no waiting, no second enter. At most EPOCH_READERS
 * threads read at a time. */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H
#include <stdbool.h>

enum { EPOCH_READERS = 128 };

/* False: as many threads as there may be read by now; this one needs another way (a lock). */
bool epoch_enter(void);
void epoch_leave(void); /* after an epoch_enter that said true */

/* Lies in the thing that is to be freed. */
struct epoch_item {
	struct epoch_item *next; /* of a chain handed over at once; NULL at its end */
	/* on any thread, without a lock; may retire others */
	void (*free)(struct epoch_item *item);
	unsigned stamp_;
};

/* Takes over a chain of things that no new reader can reach. NULL: does nothing. */
void epoch_retire(struct epoch_item *chain);

/* Frees what still waits and need not any more. Cheap when there is nothing. */
void epoch_reclaim(void);

#endif

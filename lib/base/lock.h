/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/lock.h: a mutex that knows who holds it. Leaf locks only: no call out, no system call,
 * no allocation while one is held (docs/ARCHITECTURE.md lists them and their order).
 *
 * A request takes a dozen of them that nobody else wants, so that case is one atomic exchange here
 * and one at the drop; who finds it taken waits on a futex. What only one thread knows of so far
 * needs not even these: its lock is private to that thread until it shares it. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/check.h"

enum lock_state_ { LOCK_FREE_, LOCK_HELD_, LOCK_WANTED_ /* held, and somebody waits */ };

struct lock {
	atomic_int state_;
	const char *owner_;      /* the holder's lock_self_ */
	/* the lock_self_ of the one thread that may take it; NULL: any may */
	const char *private_to_;
};

#define LOCK_INIT {.state_ = LOCK_FREE_} /* of a static one */

extern _Thread_local char lock_self_; /* its address is the thread's name */

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_await_(struct lock *lock); /* and takes it */
void lock_wake_(struct lock *lock);

/* From here to lock_share only the calling thread takes it. */
static inline void lock_make_private(struct lock *lock)
{
	lock->private_to_ = &lock_self_;
}

/* By that thread, before it gives others what the lock guards. Fine for one that is not private. */
static inline void lock_share(struct lock *lock)
{
	if (!lock->private_to_)
		return;
	check(lock->private_to_ == &lock_self_ && !lock->owner_);
	lock->private_to_ = NULL;
}

static inline bool lock_is_private(const struct lock *lock)
{
	return lock->private_to_ != NULL;
}

static inline void lock_take(struct lock *lock)
{
	int found = LOCK_FREE_;

	if (lock_is_private(lock))
		check(lock->private_to_ == &lock_self_ && !lock->owner_);
	/* Acquire: pairs with lock_drop. */
	else if (!atomic_compare_exchange_strong_explicit(&lock->state_, &found, LOCK_HELD_,
						     memory_order_acquire, memory_order_relaxed))
		lock_await_(lock);
	lock->owner_ = &lock_self_;
}

/* Opens each function whose name ends in _locked: ends the program if this thread does not hold
 * it. */
static inline void lock_check_held(const struct lock *lock)
{
	check(lock->owner_ == &lock_self_);
}

static inline void lock_drop(struct lock *lock)
{
	lock_check_held(lock);
	lock->owner_ = NULL;
	if (lock_is_private(lock))
		return;
	/* Release: pairs with lock_take. */
	if (atomic_exchange_explicit(&lock->state_, LOCK_FREE_, memory_order_release) ==
	    LOCK_WANTED_)
		lock_wake_(lock);
}

#endif

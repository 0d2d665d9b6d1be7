/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local char lock_self_;

void lock_init(struct lock *lock)
{
	atomic_init(&lock->state_, LOCK_FREE_);
	lock->owner_ = NULL;
	lock->private_to_ = NULL;
}

void lock_fini(struct lock *lock)
{
	check(!lock->owner_);
}

/* Who has waited leaves it marked as wanted, since others may wait as well: at worst one wake too
 * many. */
void lock_await_(struct lock *lock)
{
	int error = errno; /* the caller may be about to look at it */

	while (atomic_exchange_explicit(&lock->state_, LOCK_WANTED_, memory_order_acquire) !=
	       LOCK_FREE_)
		/* Ends at once when it is not wanted any more; a signal only makes it look
		 * again. */
		syscall(SYS_futex, &lock->state_, FUTEX_WAIT_PRIVATE, LOCK_WANTED_, NULL, NULL, 0);
	errno = error;
}

void lock_wake_(struct lock *lock)
{
	syscall(SYS_futex, &lock->state_, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

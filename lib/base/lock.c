/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/lock.h"

#include "lib/base/check.h"

void lock_init(struct lock *lock)
{
	*lock = (struct lock){.mutex_ = PTHREAD_MUTEX_INITIALIZER};
}

void lock_fini(struct lock *lock)
{
	check(!lock->is_held_);
	pthread_mutex_destroy(&lock->mutex_);
}

void lock_take(struct lock *lock)
{
	pthread_mutex_lock(&lock->mutex_);
	lock->owner_ = pthread_self();
	lock->is_held_ = true;
}

void lock_drop(struct lock *lock)
{
	lock_check_held(lock);
	lock->is_held_ = false;
	pthread_mutex_unlock(&lock->mutex_);
}

void lock_check_held(const struct lock *lock)
{
	check(lock->is_held_ && pthread_equal(lock->owner_, pthread_self()));
}

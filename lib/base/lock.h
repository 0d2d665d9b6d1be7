/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/lock.h: a mutex that knows who holds it. Leaf locks only: no call out, no system call,
 * no allocation while one is held (docs/ARCHITECTURE.md lists them and their order). */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H
#include <pthread.h>
#include <stdbool.h>

struct lock {
	pthread_mutex_t mutex_;
	pthread_t owner_;
	bool is_held_;
};

#define LOCK_INIT {.mutex_ = PTHREAD_MUTEX_INITIALIZER} /* of a static one */

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_take(struct lock *lock);
void lock_drop(struct lock *lock);

/* Opens each function whose name ends in _locked: ends the program if this thread does not hold it. */
void lock_check_held(const struct lock *lock);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/lock.h"

enum { NTHREADS = 4, NROUNDS = 20000 };

struct counter {
	struct lock lock;
	unsigned n, ninside;
};

static void *count(void *arg)
{
	struct counter *counter = arg;

	for (int i = 0; i < NROUNDS; i++) {
		lock_take(&counter->lock);
		check(++counter->ninside == 1);
		counter->n++;
		if (i % 64 == 0)
			sched_yield(); /* so that others find it taken */
		counter->ninside--;
		lock_drop(&counter->lock);
	}
	return NULL;
}

static void one_thread_at_a_time_has_it(void **state)
{
	struct counter counter = {.lock = LOCK_INIT};
	pthread_t threads[NTHREADS];

	(void)state;
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &counter), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counter.n, NTHREADS * NROUNDS);
	lock_fini(&counter.lock);
}

/* What opens the functions whose names end in _locked. */
static void a_lock_knows_that_it_is_held(void **state)
{
	struct lock lock;

	(void)state;
	lock_init(&lock);
	lock_take(&lock);
	lock_check_held(&lock);
	lock_drop(&lock);
	lock_take(&lock);
	lock_drop(&lock);
	lock_fini(&lock);
}

/* Private to the one who makes it, everybody's once it is shared. */
static void a_private_lock_excludes_others_from_the_moment_it_is_shared(void **state)
{
	struct counter counter = {.lock = LOCK_INIT};
	pthread_t threads[NTHREADS];

	(void)state;
	lock_make_private(&counter.lock);
	assert_true(lock_is_private(&counter.lock));
	count(&counter);
	assert_int_equal(counter.n, NROUNDS);
	lock_share(&counter.lock);
	lock_share(&counter.lock); /* it may be said twice */
	assert_false(lock_is_private(&counter.lock));
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &counter), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counter.n, (NTHREADS + 1) * NROUNDS);
	lock_fini(&counter.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_at_a_time_has_it),
		cmocka_unit_test(a_lock_knows_that_it_is_held),
		cmocka_unit_test(a_private_lock_excludes_others_from_the_moment_it_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

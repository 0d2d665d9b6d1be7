/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/spares.h"

enum { NBLOCKS = 2 * SPARES_MOST };

static struct list blocks[NBLOCKS];
static struct spares spares;

static unsigned drop_surplus(void)
{
	unsigned n = 0;

	while (spares_surplus(&spares))
		n++;
	return n;
}

/* The first n blocks are in use, and none is spare. */
static void use(unsigned n)
{
	spares_init(&spares);
	for (unsigned i = 0; i < n; i++)
		assert_null(spares_take(&spares));
}

static void give(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		spares_give(&spares, &blocks[i]);
		drop_surplus();
	}
}

static void the_newest_is_taken_first(void **state)
{
	(void)state;
	use(3);
	give(0, 3);
	assert_ptr_equal(spares_take(&spares), &blocks[2]);
	assert_ptr_equal(spares_take(&spares), &blocks[1]);
	assert_ptr_equal(spares_take(&spares), &blocks[0]);
	assert_null(spares_take(&spares));
}

static void as_many_are_kept_as_are_in_use(void **state)
{
	(void)state;
	use(400);
	give(0, 200);
	assert_int_equal(spares.n, 200);
	give(200, 201);
	assert_int_equal(spares.n, 199);
}

static void few_are_left_of_a_crowd(void **state)
{
	(void)state;
	use(NBLOCKS);
	give(0, NBLOCKS - 1);
	assert_int_equal(spares.n, SPARES_LEAST);
	assert_int_equal(spares.nused, 1);
}

static void no_more_are_kept_than_the_bound(void **state)
{
	(void)state;
	use(NBLOCKS);
	give(0, SPARES_MOST);
	assert_int_equal(spares.n, SPARES_MOST);
	spares_give(&spares, &blocks[SPARES_MOST]);
	assert_int_equal(drop_surplus(), 2); /* the bound, and what is in use, are one less */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_is_taken_first),
		cmocka_unit_test(as_many_are_kept_as_are_in_use),
		cmocka_unit_test(few_are_left_of_a_crowd),
		cmocka_unit_test(no_more_are_kept_than_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

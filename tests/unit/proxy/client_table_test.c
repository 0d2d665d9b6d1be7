/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/session/client_table.h"

static struct addr address(const char *text)
{
	struct addr addr = {0};

	assert_true(addr_parse(str_of(text), 1234, &addr));
	return addr;
}

static void each_address_has_its_count(void **state)
{
	struct client_table *table = client_table_create();
	struct addr a = address("192.0.2.1"), b = address("2001:db8::1"), mapped = address("::ffff:192.0.2.1");
	struct client_count *first = client_table_enter(table, &a);
	struct client_count *second = client_table_enter(table, &mapped);
	struct client_count *other = client_table_enter(table, &b);

	(void)state;
	assert_ptr_equal(first, second);
	assert_int_equal(client_count_now(first), 2);
	assert_int_equal(client_table_connections(table, &a), 2);
	assert_int_equal(client_table_connections(table, &b), 1);
	client_table_leave(table, first);
	assert_int_equal(client_count_now(second), 1);
	client_table_leave(table, second);
	client_table_leave(table, other);
	assert_int_equal(client_table_connections(table, &a), 0);
	client_table_destroy(table);
}

static void a_64_of_ipv6_is_one_client(void **state)
{
	struct client_table *table = client_table_create();
	struct addr one = address("2001:db8:1:2::1"), near = address("2001:db8:1:2:f000::9");
	struct addr far = address("2001:db8:1:3::1");
	struct client_count *first = client_table_enter(table, &one);
	struct client_count *second = client_table_enter(table, &near);

	(void)state;
	assert_ptr_equal(first, second);
	assert_int_equal(client_table_connections(table, &one), 2);
	assert_int_equal(client_table_connections(table, &far), 0);
	client_table_leave(table, first);
	client_table_leave(table, second);
	client_table_destroy(table);
}

static void what_has_no_address_is_not_counted(void **state)
{
	struct client_table *table = client_table_create();
	struct addr none = {0};

	(void)state;
	assert_null(client_table_enter(table, &none));
	assert_int_equal(client_table_connections(table, &none), 0);
	assert_int_equal(client_count_now(NULL), 0);
	client_table_leave(table, NULL);
	client_table_destroy(table);
}

enum { NTHREADS = 4, NROUNDS = 5000 };

static void *enter_and_leave(void *arg)
{
	struct client_table *table = arg;
	struct addr addr = address("192.0.2.1");

	for (int i = 0; i < NROUNDS; i++) {
		struct client_count *count = client_table_enter(table, &addr);

		assert_in_range(client_count_now(count), 1, NTHREADS);
		client_table_leave(table, count);
	}
	return NULL;
}

/* client_table_destroy checks that nothing is left. */
static void threads_that_come_and_go_leave_nothing(void **state)
{
	struct client_table *table = client_table_create();
	pthread_t threads[NTHREADS];

	(void)state;
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, enter_and_leave, table), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	client_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_has_its_count),
		cmocka_unit_test(a_64_of_ipv6_is_one_client),
		cmocka_unit_test(what_has_no_address_is_not_counted),
		cmocka_unit_test(threads_that_come_and_go_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

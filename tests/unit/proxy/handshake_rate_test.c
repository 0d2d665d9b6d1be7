/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/heap.h"
#include "proxy/tls/handshake_rate.h"

static unsigned count(struct handshake_rate *rate, const char *client, int64_t now_ms)
{
	struct addr addr;
	unsigned n = 0;

	assert_true(addr_parse(str_of(client), 0, &addr));
	while (n < 100 && handshake_rate_may(rate, &addr, 5, now_ms))
		n++;
	return n;
}

static void each_client_has_its_count_in_each_second(void **state)
{
	struct handshake_rate *rate = mem_zalloc(sizeof(*rate));

	(void)state;
	rate->seed = 1;
	assert_int_equal(count(rate, "192.0.2.1", 5000), 5);
	assert_int_equal(count(rate, "192.0.2.1", 5999), 0);
	assert_int_equal(count(rate, "192.0.2.2", 5999), 5);
	assert_int_equal(count(rate, "192.0.2.1", 6000), 5);
	assert_int_equal(count(rate, "192.0.2.1", 60000), 5);
	mem_free(rate);
}

static void an_ipv6_client_is_its_network(void **state)
{
	struct handshake_rate *rate = mem_zalloc(sizeof(*rate));

	(void)state;
	assert_int_equal(count(rate, "2001:db8:1:2::1", 1000), 5);
	assert_int_equal(count(rate, "2001:db8:1:2:ffff::2", 1000), 0);
	assert_int_equal(count(rate, "2001:db8:1:3::1", 1000), 5);
	mem_free(rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_client_has_its_count_in_each_second),
		cmocka_unit_test(an_ipv6_client_is_its_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

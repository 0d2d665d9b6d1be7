/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/net/hosts_internal.h"

static const char text[] = "# comment\n"
			   "127.0.0.1 localhost  LocalHost.LocalDomain\r\n"
			   "::1\tlocalhost ip6-localhost # another\n"
			   "\n"
			   "not-an-address name\n"
			   "192.0.2.1\n"
			   "  192.0.2.2 Indented.Example\n"
			   "192.0.2.3 last";

static void names_have_the_addresses_of_their_lines(void **state)
{
	static const struct {
		const char *name;
		unsigned naddrs;
		const char *first;
	} cases[] = {
		{"localhost", 2, "127.0.0.1"},
		{"localhost.localdomain", 1, "127.0.0.1"},
		{"ip6-localhost", 1, "::1"},
		{"indented.example", 1, "192.0.2.2"},
		{"last", 1, "192.0.2.3"},
		{"name", 0, NULL},
		{"comment", 0, NULL},
		{"another", 0, NULL},
		{"local", 0, NULL},
		{"", 0, NULL},
	};
	struct hosts *hosts = hosts_parse(str_of(text));

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char ip[ADDR_TEXT_BYTES];
		struct addr addrs[4];
		unsigned n = hosts_find(hosts, str_of(cases[i].name), addrs, 4);

		if (n != cases[i].naddrs)
			fail_msg("%s: %u addresses", cases[i].name, n);
		if (n > 0)
			assert_string_equal(addr_ip_text(&addrs[0], ip), cases[i].first);
	}
	hosts_destroy(hosts);
}

static void addresses_have_the_first_name_of_their_line(void **state)
{
	static const struct {
		const char *ip, *name;
	} cases[] = {
		{"127.0.0.1", "localhost"},
		{"::ffff:127.0.0.1", "localhost"},
		{"::1", "localhost"},
		{"192.0.2.3", "last"},
		{"192.0.2.1", ""},
		{"192.0.2.9", ""},
	};
	struct hosts *hosts = hosts_parse(str_of(text)), *none = hosts_parse(STR_NONE);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr addr;

		assert_true(addr_parse(str_of(cases[i].ip), 0, &addr));
		if (!str_eq(hosts_find_name(hosts, &addr), str_of(cases[i].name)))
			fail_msg("%s", cases[i].ip);
		assert_int_equal(hosts_find_name(none, &addr).len, 0);
	}
	hosts_destroy(hosts);
	hosts_destroy(none);
}

static void no_more_addresses_are_given_than_fit(void **state)
{
	struct hosts *hosts = hosts_parse(str_of(text));
	struct addr addr;

	(void)state;
	assert_int_equal(hosts_find(hosts, STR("localhost"), &addr, 1), 1);
	assert_int_equal(addr.as.any.sa_family, AF_INET);
	hosts_destroy(hosts);
}

static void a_missing_file_has_no_names(void **state)
{
	struct hosts *hosts = hosts_load("/nonexistent/hosts");
	struct addr addr;

	(void)state;
	assert_int_equal(hosts_find(hosts, STR("localhost"), &addr, 1), 0);
	hosts_destroy(hosts);
	hosts_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_the_addresses_of_their_lines),
		cmocka_unit_test(addresses_have_the_first_name_of_their_line),
		cmocka_unit_test(no_more_addresses_are_given_than_fit),
		cmocka_unit_test(a_missing_file_has_no_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

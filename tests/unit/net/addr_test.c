/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/net/addr.h"

static void addresses_are_read_and_shown(void **state)
{
	static const struct {
		const char *text, *ip, *with_port; /* ip NULL: refused */
	} cases[] = {
		{"192.0.2.1", "192.0.2.1", "192.0.2.1:80"},
		{"0.0.0.0", "0.0.0.0", "0.0.0.0:80"},
		{"2001:db8::1", "2001:db8::1", "[2001:db8::1]:80"},
		{"[2001:DB8:0:0::1]", "2001:db8::1", "[2001:db8::1]:80"},
		{"::", "::", "[::]:80"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:80"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
	         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80"},
		{"", NULL, NULL},
		{"[]", NULL, NULL},
		{"[192.0.2.1]", NULL, NULL},
		{"[::1", NULL, NULL},
		{"::1]", NULL, NULL},
		{"192.0.2.256", NULL, NULL},
		{"192.0.2", NULL, NULL},
		{"192.0.2.01", NULL, NULL},
		{"0x7f.1", NULL, NULL},
		{" 192.0.2.1", NULL, NULL},
		{"192.0.2.1:80", NULL, NULL},
		{"fe80::1%lo", NULL, NULL},
		{"localhost", NULL, NULL},
		{"1:2:3:4:5:6:7:8:9", NULL, NULL},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[ADDR_TEXT_BYTES];
		struct addr addr;

		if (!addr_parse(str_of(cases[i].text), 80, &addr)) {
			if (cases[i].ip)
				fail_msg("refused: %s", cases[i].text);
			continue;
		}
		if (!cases[i].ip)
			fail_msg("taken: %s", cases[i].text);
		assert_string_equal(addr_ip_text(&addr, text), cases[i].ip);
		assert_string_equal(addr_text(&addr, text), cases[i].with_port);
		assert_int_equal(addr_port(&addr), 80);
	}
}

static void bytes_behind_a_nul_are_not_overlooked(void **state)
{
	struct addr addr;

	(void)state;
	assert_false(addr_parse(STR("192.0.2.1\0.evil.example"), 0, &addr));
}

static void an_address_of_no_family_has_a_text(void **state)
{
	struct addr addr = {0};
	char text[ADDR_TEXT_BYTES];

	(void)state;
	assert_string_equal(addr_ip_text(&addr, text), "-");
	assert_string_equal(addr_text(&addr, text), "-");
	assert_int_equal(addr_port(&addr), 0);
	assert_int_equal(addr_len(&addr), 0);
}

static void a_mapped_address_equals_what_it_maps(void **state)
{
	struct addr v4, mapped, v6;
	uint8_t bytes[16], mapped_bytes[16];

	(void)state;
	assert_true(addr_parse(STR("192.0.2.1"), 80, &v4));
	assert_true(addr_parse(STR("::ffff:192.0.2.1"), 443, &mapped));
	assert_true(addr_parse(STR("2001:db8::1"), 80, &v6));
	assert_true(addr_eq_ip(&v4, &mapped));
	assert_false(addr_eq_ip(&v4, &v6));
	addr_ip_bytes(&v4, bytes);
	addr_ip_bytes(&mapped, mapped_bytes);
	assert_memory_equal(bytes, mapped_bytes, 16);

	addr_unmap(&mapped);
	assert_int_equal(mapped.as.any.sa_family, AF_INET);
	assert_int_equal(addr_port(&mapped), 443);
	addr_unmap(&v6);
	assert_int_equal(v6.as.any.sa_family, AF_INET6);
}

static void who_is_one_client_and_its_network(void **state)
{
	static const struct {
		const char *text, *client, *network;
	} cases[] = {
		{"192.0.2.77", "192.0.2.77", "192.0.2.0"},
		{"::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::"},
		{"::1", "::", "::"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr addr = {0}, client = {0}, network = {0};
		uint8_t got[16], wanted[16];

		assert_true(addr_parse(str_of(cases[i].text), 0, &addr));
		assert_true(addr_parse(str_of(cases[i].client), 0, &client));
		assert_true(addr_parse(str_of(cases[i].network), 0, &network));
		addr_client_bytes(&addr, got);
		addr_ip_bytes(&client, wanted);
		assert_memory_equal(got, wanted, 16);
		addr_network_bytes(&addr, got);
		addr_ip_bytes(&network, wanted);
		assert_memory_equal(got, wanted, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_shown),
		cmocka_unit_test(bytes_behind_a_nul_are_not_overlooked),
		cmocka_unit_test(an_address_of_no_family_has_a_text),
		cmocka_unit_test(a_mapped_address_equals_what_it_maps),
		cmocka_unit_test(who_is_one_client_and_its_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

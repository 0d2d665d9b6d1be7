/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/session/clients.h"

static struct addr address(unsigned number)
{
	struct addr addr;
	char text[ADDR_TEXT_BYTES];

	snprintf(text, sizeof(text), "10.%u.%u.1", number / 250, number % 250);
	assert_true(addr_parse(str_of(text), (uint16_t)(number + 1), &addr));
	return addr;
}

static struct client *enter(struct clients *clients, unsigned number)
{
	struct addr addr = address(number);

	return clients_enter(clients, &addr);
}

static void a_client_is_its_address_whatever_port(void **state)
{
	struct clients *clients = clients_create();
	struct addr addr = address(1), mapped;
	struct client *client = clients_enter(clients, &addr);

	(void)state;
	addr_set_port(&addr, 999);
	assert_ptr_equal(clients_enter(clients, &addr), client);
	assert_true(addr_parse(STR("::ffff:10.0.1.1"), 5, &mapped));
	assert_ptr_equal(clients_enter(clients, &mapped), client);
	assert_int_equal(client->counts.nconns, 3);
	clients_destroy(clients);
}

static void who_left_longest_ago_is_forgotten_first(void **state)
{
	struct clients *clients = clients_create();
	struct client *stays = enter(clients, 0);
	struct buf all;

	(void)state;
	stays->counts.tags[LOG_TCP_MISS] = 7;
	for (unsigned i = 1; i < CLIENTS_MAX; i++)
		clients_leave(clients, enter(clients, i));
	enter(clients, CLIENTS_MAX)->counts.tags[LOG_TCP_HIT] = 1;
	/* 1 had to go, 2 had not, nor who is connected */
	assert_int_equal(enter(clients, 0)->counts.tags[LOG_TCP_MISS], 7);
	enter(clients, 2);
	buf_init(&all, SIZE_MAX);
	clients_copy(clients, &all);
	assert_int_equal(all.len, CLIENTS_MAX * sizeof(struct client_counts));
	buf_fini(&all);
	clients_destroy(clients);
}

static void there_is_no_room_while_all_are_connected(void **state)
{
	struct clients *clients = clients_create();
	struct client *one = enter(clients, 0);

	(void)state;
	for (unsigned i = 1; i < CLIENTS_MAX; i++)
		assert_non_null(enter(clients, i));
	assert_null(enter(clients, CLIENTS_MAX));
	clients_leave(clients, NULL);
	clients_leave(clients, one);
	assert_non_null(enter(clients, CLIENTS_MAX));
	clients_destroy(clients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_its_address_whatever_port),
		cmocka_unit_test(who_left_longest_ago_is_forgotten_first),
		cmocka_unit_test(there_is_no_room_while_all_are_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

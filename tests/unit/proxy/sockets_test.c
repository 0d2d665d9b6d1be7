/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include <netinet/tcp.h>

#include "lib/base/list.h"
#include "proxy/process/sockets.h"
#include "tests/unit/proxy/loopback.h"

enum { NWORKERS = 2 };

struct rig {
	struct sockets sockets;
	struct addr a, b; /* loopback addresses that nobody has */
	struct config *config;
	struct ports ports; /* of config, but for the port that all tests have */
};

static void init(struct rig *rig)
{
	int a, b;

	memset(rig, 0, sizeof(*rig));
	hear_log();
	sockets_init(&rig->sockets, NWORKERS);
	a = loopback_listen("127.0.0.1", &rig->a);
	b = loopback_listen("127.0.0.1", &rig->b); /* another, as a is held */
	close(a);
	close(b);
}

static void fini(struct rig *rig)
{
	sockets_fini(&rig->sockets);
	config_unref(rig->config);
	log_set_sink(NULL);
}

/* Opens as a configuration with these ports asks for; NULL: none. */
static void open_ports(struct rig *rig, const struct addr *one, const struct addr *two)
{
	char text[ADDR_TEXT_BYTES];
	struct buf lines;

	buf_init(&lines, 4096);
	if (one)
		buf_printf(&lines, "http_port %s accel\n", addr_text(one, text));
	if (two)
		buf_printf(&lines, "http_port %s accel\n", addr_text(two, text));
	buf_add_char(&lines, '\0');
	config_unref(rig->config);
	rig->config = config_of(lines.at);
	rig->ports.first = rig->config->ports->first->next;
	sockets_open(&rig->sockets, &rig->ports);
	buf_fini(&lines);
}

static bool is_open(const struct addr *addr)
{
	int fd = loopback_connect(addr);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static struct listening *first(const struct rig *rig)
{
	return CONTAINER(rig->sockets.ports.next, struct listening, node);
}

static void each_worker_has_a_socket_of_each_port(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, &rig.b);
	assert_int_equal(sockets_count(&rig.sockets), 2);
	assert_int_equal(first(&rig)->nfds, NWORKERS);
	assert_int_not_equal(first(&rig)->fds[0], first(&rig)->fds[1]);
	assert_true(first(&rig)->is_accel);
	assert_true(is_open(&rig.a) && is_open(&rig.b));
	assert_string_equal(server_fixture_log, "");
	fini(&rig);
	assert_false(is_open(&rig.a) || is_open(&rig.b));
}

/* SO_REUSEPORT alone would share it with that program. */
static void a_port_that_another_program_has_is_left_out(void **state)
{
	int other, on = 1;
	struct rig rig;

	(void)state;
	init(&rig);
	other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(other, &rig.a.as.any, addr_len(&rig.a)), 0);
	assert_int_equal(listen(other, 1), 0);
	open_ports(&rig, &rig.a, &rig.b);
	assert_int_equal(sockets_count(&rig.sockets), 1);
	assert_true(addr_port(&first(&rig)->addr) == addr_port(&rig.b));
	assert_int_equal(log_count("commBind: Cannot bind socket to 127.0.0.1:"), 1);
	assert_int_equal(log_count("(98) Address already in use; going on without it"), 1);
	close(other);
	sockets_commit(&rig.sockets);
	open_ports(&rig, &rig.a, &rig.b); /* a reload tries again */
	assert_int_equal(sockets_count(&rig.sockets), 2);
	fini(&rig);
}

static void what_stays_in_the_configuration_keeps_its_sockets(void **state)
{
	struct rig rig;
	int was;

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, NULL);
	sockets_commit(&rig.sockets);
	was = first(&rig)->fds[0];
	open_ports(&rig, &rig.b, &rig.a);
	assert_int_equal(first(&rig)->fds[0], was);
	assert_false(first(&rig)->is_new || first(&rig)->is_gone);
	assert_int_equal(sockets_count(&rig.sockets), 2);
	fini(&rig);
}

/* The old configuration serves on until the new one is known to work. */
static void what_leaves_the_configuration_is_closed_by_commit(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, NULL);
	sockets_commit(&rig.sockets);
	open_ports(&rig, &rig.b, NULL);
	assert_int_equal(sockets_count(&rig.sockets), 1);
	assert_true(is_open(&rig.a) && is_open(&rig.b));
	sockets_commit(&rig.sockets);
	assert_false(is_open(&rig.a));
	assert_true(is_open(&rig.b));
	fini(&rig);
}

static void revert_goes_back_to_what_was(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, NULL);
	sockets_commit(&rig.sockets);
	open_ports(&rig, &rig.b, NULL);
	sockets_revert(&rig.sockets);
	assert_true(is_open(&rig.a));
	assert_false(is_open(&rig.b));
	assert_int_equal(sockets_count(&rig.sockets), 1);
	fini(&rig);
}

static void the_next_process_may_have_another_number_of_workers(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, NULL);
	sockets_resize(&rig.sockets, 3);
	assert_int_equal(first(&rig)->nfds, 3);
	sockets_resize(&rig.sockets, 1);
	assert_int_equal(first(&rig)->nfds, 3); /* connections may wait in any */
	assert_true(is_open(&rig.a));
	assert_string_equal(server_fixture_log, "");
	fini(&rig);
}

static void sockets_that_were_open_before_are_taken_by_their_address(void **state)
{
	struct listening *second;
	struct rig rig;
	int fds[2], is_set = 0;
	socklen_t len = sizeof(is_set);

	(void)state;
	init(&rig);
	open_ports(&rig, &rig.a, &rig.b);
	second = CONTAINER(rig.sockets.ports.prev, struct listening, node);
	fds[0] = dup(first(&rig)->fds[0]);
	fds[1] = dup(second->fds[0]);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &is_set, sizeof(is_set)); /* a service manager's */
	sockets_fini(&rig.sockets);
	sockets_init(&rig.sockets, 2);
	sockets_inherit(&rig.sockets, fds, 2);
	open_ports(&rig, &rig.a, NULL);
	assert_int_equal(first(&rig)->fds[0], fds[0]);
	assert_int_equal(first(&rig)->nfds, 2);
	assert_int_equal(getsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &is_set, &len), 0);
	assert_true(is_set);
	assert_int_equal(sockets_drop_inherited(&rig.sockets), 1);
	assert_int_equal(sockets_drop_inherited(&rig.sockets), 0);
	assert_true(is_open(&rig.a));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_has_a_socket_of_each_port),
		cmocka_unit_test(a_port_that_another_program_has_is_left_out),
		cmocka_unit_test(what_stays_in_the_configuration_keeps_its_sockets),
		cmocka_unit_test(what_leaves_the_configuration_is_closed_by_commit),
		cmocka_unit_test(revert_goes_back_to_what_was),
		cmocka_unit_test(the_next_process_may_have_another_number_of_workers),
		cmocka_unit_test(sockets_that_were_open_before_are_taken_by_their_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

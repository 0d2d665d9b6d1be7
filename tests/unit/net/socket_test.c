/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/net/socket.h"

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static int listen_on(const char *ip, const struct socket_options *options, struct addr *addr)
{
	socklen_t len = sizeof(addr->as);
	int fd = -1;

	assert_true(addr_parse(str_of(ip), 0, addr));
	if (socket_listen(addr, options, &fd, NULL) == ERR_OK)
		assert_int_equal(getsockname(fd, &addr->as.any, &len), 0);
	return fd;
}

static void a_listener_has_what_was_asked_for(void **state)
{
	static const struct socket_options options = {
		.reuse_port = true,
		.keepalive = true,
		.keepalive_idle_s = 30,
		.keepalive_interval_s = 7,
		.keepalive_timeout_s = 20,
		.no_pmtu_discovery = true,
	};
	struct addr addr;
	int fd = listen_on("127.0.0.1", &options, &addr);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(option(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
	assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	close(fd);
}

static void is_paced(int fd, bool is)
{
	char name[16] = "", usual[16] = "";
	socklen_t len = sizeof(name);
	int other = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	len = sizeof(usual);
	assert_int_equal(getsockopt(other, IPPROTO_TCP, TCP_CONGESTION, usual, &len), 0);
	assert_string_equal(name, is ? usual : "reno");
	close(other);
}

static void the_loopback_is_not_paced(void **state)
{
	static const struct socket_options options = {.backlog = 1};
	struct addr addr, other;
	int listener = listen_on("127.0.0.1", &options, &addr);
	int wildcard = listen_on("0.0.0.0", &options, &other);
	int client = socket(AF_INET, SOCK_STREAM, 0), fd;

	(void)state;
	is_paced(listener, false);
	is_paced(wildcard, true);
	assert_int_equal(connect(client, &addr.as.any, addr_len(&addr)), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	is_paced(fd, false);
	is_paced(client, true);
	socket_hasten(client, &addr);
	is_paced(client, false);
	close(fd);
	close(client);
	close(wildcard);
	close(listener);
}

static void an_accepted_socket_inherits_nodelay(void **state)
{
	static const struct socket_options options = {.backlog = 1};
	struct addr addr;
	int listener = listen_on("127.0.0.1", &options, &addr);
	int client = socket(AF_INET, SOCK_STREAM, 0), fd;

	(void)state;
	assert_int_equal(connect(client, &addr.as.any, addr_len(&addr)), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	close(fd);
	close(client);
	close(listener);
}

static void a_wildcard_of_ipv6_serves_ipv4_unless_told_otherwise(void **state)
{
	static const struct socket_options both = {0}, v6_only = {.is_v6_only = true};
	struct addr addr, v4;
	int fd = listen_on("::", &both, &addr);
	int client;

	(void)state;
	if (fd < 0)
		skip(); /* a system without IPv6 */
	assert_true(addr_parse(STR("127.0.0.1"), addr_port(&addr), &v4));
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, &v4.as.any, addr_len(&v4)), 0);
	close(client);
	close(fd);

	fd = listen_on("::", &v6_only, &addr);
	assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(fd);
}

static void a_port_in_use_is_named(void **state)
{
	static const struct socket_options options = {0};
	struct addr addr;
	int listener = listen_on("127.0.0.1", &options, &addr), fd = -5;
	char text[ADDR_TEXT_BYTES];
	struct err_text why;

	(void)state;
	assert_int_equal(socket_listen(&addr, &options, &fd, &why), ERR_IO);
	assert_int_equal(fd, -5);
	assert_non_null(strstr(why.at, addr_text(&addr, text)));
	assert_non_null(strstr(why.at, "Address already in use"));
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_has_what_was_asked_for),
		cmocka_unit_test(the_loopback_is_not_paced),
		cmocka_unit_test(an_accepted_socket_inherits_nodelay),
		cmocka_unit_test(a_wildcard_of_ipv6_serves_ipv4_unless_told_otherwise),
		cmocka_unit_test(a_port_in_use_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

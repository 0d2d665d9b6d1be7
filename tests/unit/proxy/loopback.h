/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/unit/proxy/loopback.h: the other side of a connection: a listening socket on an address of
 * this machine, and blocking calls on what it accepts. */
#ifndef TESTS_UNIT_PROXY_LOOPBACK_H
#define TESTS_UNIT_PROXY_LOOPBACK_H
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/net/addr.h"

/* Bound to ip and a number that the system chose, and listening. Connecting goes to *addr, on
 * loopback also when ip is a wildcard. */
static inline int loopback_listen(const char *ip, struct addr *addr)
{
	socklen_t len = sizeof(addr->as);
	int fd;

	check(addr_parse(str_of(ip), 0, addr));
	fd = socket(addr->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	check(fd >= 0 && bind(fd, &addr->as.any, addr_len(addr)) == 0 && listen(fd, 8) == 0);
	check(getsockname(fd, &addr->as.any, &len) == 0);
	check(addr_parse(STR("127.0.0.1"), addr_port(addr), addr));
	return fd;
}

/* A blocking socket; -1: refused. */
static inline int loopback_connect(const struct addr *addr)
{
	int fd = socket(addr->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	if (connect(fd, &addr->as.any, addr_len(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

#endif

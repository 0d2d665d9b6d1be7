/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* How long the kernel may keep a connection on which nothing was sent from accept. */
enum { DEFER_ACCEPT_S = 3 };

static bool set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* As set, but 0 leaves the system's value. */
static bool set_if(int fd, int level, int name, int value)
{
	return value <= 0 || set(fd, level, name, value);
}

static bool set_keepalive(int fd, const struct socket_options *options)
{
	int interval_s = options->keepalive_interval_s;
	int timeout_s = options->keepalive_timeout_s;
	int nprobes = interval_s > 0 && timeout_s > 0 ? (timeout_s - 1) / interval_s + 1 : 0;

	return !options->keepalive ||
	       (set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
	        set_if(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s) &&
	        set_if(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s) &&
	        set_if(fd, IPPROTO_TCP, TCP_KEEPCNT, nprobes));
}

/* An IPv6 socket may carry IPv4 as well. */
static bool set_pmtu(int fd, const struct addr *addr, const struct socket_options *options)
{
	return !options->no_pmtu_discovery ||
	       (set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT) &&
	        (addr->as.any.sa_family != AF_INET6 ||
	         set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT)));
}

/* What cannot change any more once it is bound. */
static bool prepare(int fd, const struct addr *addr, const struct socket_options *options)
{
	return set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	       (!options->reuse_port || set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
	       (addr->as.any.sa_family != AF_INET6 ||
	        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->is_v6_only));
}

void socket_hasten(int fd, const struct addr *addr)
{
	static const char reno[] = "reno";

	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (addr_is_loopback(addr))
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno) - 1);
}

bool socket_set_options(int fd, const struct addr *addr, const struct socket_options *options)
{
	socket_hasten(fd, addr);
	return set_keepalive(fd, options) && set_pmtu(fd, addr, options) &&
	       set_if(fd, SOL_SOCKET, SO_RCVBUF, options->recv_bytes) &&
	       (!options->defer_accept || set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S));
}

enum err socket_listen(const struct addr *addr, const struct socket_options *options, int *fd,
                       struct err_text *why)
{
	int backlog = options->backlog > 0 ? options->backlog : SOMAXCONN;
	int opened = socket(addr->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_BYTES];

	if (opened >= 0 && prepare(opened, addr, options) &&
	    socket_set_options(opened, addr, options) &&
	    bind(opened, &addr->as.any, addr_len(addr)) == 0 && listen(opened, backlog) == 0) {
		*fd = opened;
		return ERR_OK;
	}
	err_say(why, "cannot listen on %s: %s", addr_text(addr, text), strerror(errno));
	if (opened >= 0)
		close(opened);
	return ERR_IO;
}

void socket_set_tos(int fd, int tos)
{
	set(fd, IPPROTO_IP, IP_TOS, tos);
	set(fd, IPPROTO_IPV6, IPV6_TCLASS, tos); /* an IPv6 socket may carry either */
}

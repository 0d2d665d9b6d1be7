/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/socket.h: opening sockets. Any thread; none of these blocks. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H
#include "lib/base/err.h"
#include "lib/net/addr.h"

struct socket_options {
	bool reuse_port; /* SO_REUSEPORT: one listener a worker */
	bool is_v6_only; /* else a wildcard IPv6 address serves IPv4 too */
	int backlog;     /* 0: as long as the system allows */
	bool keepalive;  /* tcpkeepalive[=idle,interval,timeout], seconds; 0: the system's */
	int keepalive_idle_s, keepalive_interval_s, keepalive_timeout_s;
	bool no_pmtu_discovery; /* packets may be cut on their way */
	int recv_bytes;         /* SO_RCVBUF, which accepted sockets inherit; 0: the system's */
	bool defer_accept; /* TCP_DEFER_ACCEPT, so that the first read after accept finds bytes */
};

/* Bytes go out as they are written, over a socket that has, or listens on, or connects to addr:
 * TCP_NODELAY and, on the loopback, where nothing is congested, no pacing of them (TCP_CONGESTION
 * reno: with BBR, timers are most of what a long body costs). Accepted sockets inherit both. What
 * the system does not allow stays. */
void socket_hasten(int fd, const struct addr *addr);

/* socket_hasten and, of the options, all that a bound socket can still get: not reuse_port,
 * is_v6_only and backlog. False: errno says why. */
bool socket_set_options(int fd, const struct addr *addr, const struct socket_options *options);

/* A bound, listening, non-blocking, close-on-exec socket with these options. On failure ERR_IO and
 * why; *fd untouched. */
enum err socket_listen(const struct addr *addr, const struct socket_options *options, int *fd,
                       struct err_text *why);

/* The TOS of a socket's packets from now on, of whichever family it is; what cannot be set
 * stays. */
void socket_set_tos(int fd, int tos);

#endif

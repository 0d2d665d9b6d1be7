/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_beside.h: lets a program that knows nothing of it listen on addresses
 * where another one listens.
 *
 * Linux lets two sockets listen on one address when both have SO_REUSEPORT, which Squid does not
 * set. So a process of ours traces Squid while it starts (ptrace), stops it before each bind to
 * such an address, and sets the option on its socket and on the other one. Once Squid listens, the
 * group of both gets a program that gives new connections to Squid's, and the tracing ends. One
 * thread's; for root, on Linux 5.6 and later. */
#ifndef PROXY_CTL_TAKEOVER_BESIDE_H
#define PROXY_CTL_TAKEOVER_BESIDE_H

struct takeover_sockets; /* proxy/ctl/takeover/takeover_sockets.h */

enum takeover_beside {
	BESIDE_LISTENS,    /* and gets all new connections */
	BESIDE_FAILED,     /* it ended, or did not listen in time; nothing has changed */
	BESIDE_IMPOSSIBLE, /* it was not started: nobody may trace here */
};

/* Starts argv, a daemon without standard input and output, and waits until it listens on each
 * address of sockets. */
enum takeover_beside takeover_start_beside(char *const *argv,
                                           const struct takeover_sockets *sockets, int max_ms);

/* The same, and this process becomes argv, for which a service manager has started it. Returns only
 * if it cannot, with the status to end with: nobody may trace here, or there is no such program. */
enum { TAKEOVER_CANNOT_TRACE_STATUS = 121 };
int takeover_become_beside(char *const *argv, const struct takeover_sockets *sockets);

#endif

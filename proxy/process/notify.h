/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/notify.h: tells the service manager how we are: datagrams of VARIABLE=VALUE lines
 * to the socket that it named in NOTIFY_SOCKET, see sd_notify(3). Without one all calls do nothing.
 * One thread's; none blocks. */
#ifndef PROXY_NOTIFY_H
#define PROXY_NOTIFY_H
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un to;
	socklen_t to_len; /* 0: nobody listens */
};

/* Puts it back, for a program that takes our place. */
void notify_restore(const struct notify *notify);

/* Every so many ms the manager wants to hear notify_alive; 0: it does not (WATCHDOG_USEC). */
int64_t notify_watchdog_ms(void);
void notify_alive(const struct notify *notify);

/* Takes the name out of the environment, so that no helper speaks in our name. */
void notify_init(struct notify *notify);

/* Serving, for the first time or again after a reload. */
void notify_ready(const struct notify *notify, pid_t main_pid);
void notify_reloading(const struct notify *notify);
void notify_stopping(const struct notify *notify);

#endif

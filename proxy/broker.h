/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/broker.h: the parent: opens the ports and keeps them open, starts the kid that serves and
 * starts it again when it died, passes signals on, writes the pid file, tells the service manager.
 * It has one thread, keeps its privileges and never reads a byte from the network. */
#ifndef PROXY_BROKER_H
#define PROXY_BROKER_H

struct command_line;
struct config;

/* Takes over config. In the background unless --foreground. Returns the exit status. */
int broker_run(const struct command_line *line, struct config *config);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/kid.h: the serving process behind a parent (proxy/process/broker.h): it has no
 * privileges, gets its listening sockets over the channel, and ends when the channel does. */
#ifndef PROXY_KID_H
#define PROXY_KID_H

struct command_line;
struct config;

/* In the forked process. Takes over config and both descriptors (control_fd -1: none). Returns the
 * exit status. */
int kid_run(const struct command_line *line, struct config *config, int channel, int control_fd);

#endif

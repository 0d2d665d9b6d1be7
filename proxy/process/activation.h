/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/activation.h: listening sockets that a service manager opened for us
 * (systemd.socket(5)): LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES in the environment, descriptors
 * from 3 on. Before there are threads. */
#ifndef PROXY_ACTIVATION_H
#define PROXY_ACTIVATION_H

enum { ACTIVATION_MAX_FDS = 256 };

/* Those meant for this process into fds (close-on-exec, non-blocking); how many. The variables go,
 * so that nobody started from here takes them for its own. */
unsigned activation_take(int fds[ACTIVATION_MAX_FDS]);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover_sockets.h: the listening sockets of another program, shared with it: what lies in
 * their backlog goes to whoever accepts it, and they live on when that program ends. For root, on Linux
 * 5.6 and later (pidfd_getfd). One thread's. */
#ifndef PROXY_CTL_TAKEOVER_SOCKETS_H
#define PROXY_CTL_TAKEOVER_SOCKETS_H
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum { TAKEOVER_MAX_SOCKETS = 64, TAKEOVER_MAX_PROCESSES = 64 };

struct takeover_socket {
	int fd;       /* ours, close-on-exec */
	pid_t pid;    /* who has it */
	int their_fd; /* what it is called there */
};

struct takeover_sockets {
	struct takeover_socket at[TAKEOVER_MAX_SOCKETS];
	unsigned n;
	pid_t pids[TAKEOVER_MAX_PROCESSES]; /* the process, and its children */
	unsigned npids;
};

/* All TCP sockets that pid and its children listen on, each once. False, and why; nothing is open then. */
bool takeover_sockets_take(pid_t pid, struct takeover_sockets *sockets, struct err_text *why);
void takeover_sockets_close(struct takeover_sockets *sockets);

/* They get no new connections any more (or, is_again: they do again): their epoll watches the sockets no
 * longer. Connections that they have accepted go on. How many sockets that was done to. */
unsigned takeover_sockets_silence(const struct takeover_sockets *sockets, bool is_again);

/* A descriptor of another process; ours, close-on-exec, with a number above those that it has. -1: errno tells. */
int takeover_copy_fd(pid_t pid, int their_fd);

#endif

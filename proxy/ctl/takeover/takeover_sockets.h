/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_sockets.h: the listening sockets of another program, shared with it:
 * what lies in their backlog goes to whoever accepts it, and they live on when that program ends.
 * For root, on Linux 5.6 and later (pidfd_getfd). One thread's. */
#ifndef PROXY_CTL_TAKEOVER_SOCKETS_H
#define PROXY_CTL_TAKEOVER_SOCKETS_H
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

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

/* All TCP sockets that pid and its children listen on, each once. False, and why; nothing is open
 * then. */
bool takeover_sockets_take(pid_t pid, struct takeover_sockets *sockets, struct err_text *why);
void takeover_sockets_close(struct takeover_sockets *sockets);

/* They get no new connections any more (or, is_again: they do again): their epoll watches the
 * sockets no longer. Connections that they have accepted go on. How many sockets that was done
 * to. */
unsigned takeover_sockets_silence(const struct takeover_sockets *sockets, bool is_again);

/* A descriptor of another process; ours, close-on-exec, with a number above those that it has. -1:
 * errno tells. */
int takeover_copy_fd(pid_t pid, int their_fd);

/* ---- two that listen on one address: Linux's groups of SO_REUSEPORT */

bool takeover_address(int fd, struct addr *addr); /* where fd listens */
/* How many of the first n listen there. */
unsigned takeover_sockets_at(const struct takeover_sockets *sockets, unsigned n,
                             const struct addr *addr);
/* From now on others of the same user that ask for it may listen there too. */
void takeover_share_port(int fd);
/* All new connections for the address go to the member of its group that came as number index, from
 * 0 on; when there is none, and after unsteer, to any. */
void takeover_steer(int fd, unsigned index);
void takeover_unsteer(int fd);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/sockets.h: the listening sockets of a configuration's ports, and how they follow a
 * reload: what stays the same keeps its sockets, what is new is opened before what has gone is
 * closed.
 *
 * Each port has one socket for each worker (SO_REUSEPORT). Before the first one the address is
 * probed without it, so that another program on it is noticed. The workers share a Unix socket,
 * whose file goes with its port. One thread's. */
#ifndef PROXY_SOCKETS_H
#define PROXY_SOCKETS_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/net/addr.h"
#include "lib/net/socket.h"
#include "lib/net/unix_socket.h"
#include "proxy/server.h"

struct ports; /* squid-compat/ports.h */

struct listening {
	struct list node;
	char *spec;    /* as squid.conf has it; with is_https it names the port in any snapshot */
	bool is_https; /* an https_port line */
	bool is_accel;
	bool is_new;      /* opened by the last sockets_open */
	bool is_gone;     /* the configuration given to it has no such port */
	struct addr addr; /* as configured */
	struct addr bound;
	struct socket_options options;
	char *unix_path; /* NULL: a TCP port */
	unsigned unix_mode;
	struct unix_socket_file file; /* of unix_path, once it is open */
	bool is_shared; /* one socket without SO_REUSEPORT, which the workers share */
	unsigned nfds; /* 0: given away */
	int fds[SERVER_MAX_WORKERS];
};

struct sockets {
	struct list ports; /* of struct listening */
	int *inherited;    /* open already, for the ports whose addresses they have */
	unsigned ninherited;
	unsigned nworkers;
	bool is_beside; /* another program that listens there is no hindrance */
	/* by the last sockets_open or sockets_retry: lines for missing_ports.h */
	struct buf missing;
};

void sockets_init(struct sockets *sockets, unsigned nworkers);
void sockets_fini(struct sockets *sockets); /* closes what was not given away */

/* Listening sockets of a service manager, or of the program before this one: sockets_open takes
 * those that have the address of a port. Copied; the descriptors are taken over. */
void sockets_inherit(struct sockets *sockets, const int *fds, unsigned nfds);
/* Closes those that no port wanted; how many. */
unsigned sockets_drop_inherited(struct sockets *sockets);

/* Set in the environment: the first sockets_open may listen beside a program that allows it
 * (bobtailctl takeover). */
#define SOCKETS_BESIDE "BOBTAIL_LISTENS_BESIDE"

/* Opens what ports name and is not open, and marks what they do not name. What cannot be opened is
 * logged, left out, and stands in missing: the next call tries again. Then one of the two below. */
void sockets_open(struct sockets *sockets, const struct ports *ports);
/* Again, with the ports of the configuration in use; says only what it has not said before. */
void sockets_retry(struct sockets *sockets, const struct ports *ports);
void sockets_commit(struct sockets *sockets); /* closes what is gone; nothing is new any more */
void sockets_revert(struct sockets *sockets); /* closes what is new; nothing is gone any more */

/* Ports open and not gone. */
unsigned sockets_count(const struct sockets *sockets);

/* As many sockets for each port, at least: those of the next process. None is closed, since
 * connections may wait in it. */
void sockets_resize(struct sockets *sockets, unsigned nworkers);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/listener.h: a worker's listening socket of one port. Connections are accepted in
 * bursts; a worker short of descriptors pauses and tries again.
 *
 * A listener outlives reloads: it names its port by the text in squid.conf and finds it in whatever
 * snapshot is current. Threads: one worker's. Ownership: counted, its sessions hold references. */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H
#include <stdbool.h>

#include "lib/net/addr.h"

struct listener;
struct port;
struct snapshot;
struct worker;

/* Takes over fd, bound and listening. */
void listener_start(struct worker *worker, const char *spec, bool is_https, int fd);
/* Closes the socket of that port; what its sessions have begun goes on. */
void listener_stop(struct worker *worker, const char *spec, bool is_https);
void listener_stop_all(struct worker *worker);

struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener); /* accepts NULL */

/* The port in that snapshot; NULL: it is not there any more. */
const struct port *listener_port(const struct listener *listener, const struct snapshot *snapshot);

/* The local address of a connection; getsockname is asked only where the listener is bound to a
 * wildcard. */
void listener_local(const struct listener *listener, int fd, struct addr *out);

#endif

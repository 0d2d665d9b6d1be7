/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/worker_load.h"
#include "proxy/server.h"
#include "proxy/session/client_table.h"
#include "proxy/session/session_h1.h"
#include "proxy/session/session_h2.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum { ACCEPT_BURST = 64, PAUSE_MS = 100 };

/* One worker's. */
struct listener {
	struct list node; /* worker->listeners, while listening */
	struct loop_fd watch;
	struct loop_task again; /* the burst was full: more may wait */
	struct timer pause;     /* out of descriptors */
	struct worker *worker;
	unsigned nrefs;
	bool is_https, is_wildcard;
	struct addr local;
	char *spec;
};

static bool is_wildcard(const struct addr *addr)
{
	switch (addr->as.any.sa_family) {
	case AF_INET:
		return addr->as.v4.sin_addr.s_addr == INADDR_ANY;
	case AF_INET6:
		return IN6_IS_ADDR_UNSPECIFIED(&addr->as.v6.sin6_addr);
	default:
		return false; /* a Unix socket, of which nothing more is kept */
	}
}

static void pause_accepting(struct listener *listener)
{
	timer_set(listener->worker->loop, &listener->pause,
		  loop_now_ms(listener->worker->loop) + PAUSE_MS);
}

/* Of the errors of accept4 most are about the one connection that was next: the others still
 * come. */
static bool accept_may_go_on(struct listener *listener, int error)
{
	if (error == EAGAIN)
		return false;
	if (!worker_load_is_short(listener->worker, error))
		return true;
	pause_accepting(listener);
	return false;
}

/* Squid: client_ip_max_connections: one more than it says is let in. */
static bool has_too_many(const struct listener *listener, const struct addr *client)
{
	struct worker *worker = listener->worker;
	int most = snapshot_config(worker_snapshot(worker))->client_ip_max_connections;
	char text[ADDR_TEXT_BYTES];

	if (most < 0 ||
	    client_table_connections(worker->server->clients, client) <= (unsigned)most)
		return false;
	log_say(2, "WARNING: %s attempting more than %d connections.", addr_text(client, text),
		most);
	return true;
}

static bool is_banned(const struct listener *listener, const struct addr *client)
{
	struct worker *worker = listener->worker;
	char text[ADDR_TEXT_BYTES];

	if (!worker_snapshot(worker)->has_bans ||
	    !ban_table_has(worker->server->bans, client, clock_wall_s()))
		return false;
	log_say(2, "closed a connection of %s, which is banned", addr_ip_text(client, text));
	return true;
}

static void accept_some(struct listener *listener)
{
	struct addr client;

	for (int i = 0; i < ACCEPT_BURST; i++) {
		socklen_t len = sizeof(client.as);
		bool is_last;
		int fd = accept4(listener->watch.fd, &client.as.any, &len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (!accept_may_go_on(listener, errno))
				return;
			continue;
		}
		addr_unmap(&client);
		if (has_too_many(listener, &client) || is_banned(listener, &client)) {
			close(fd);
			continue;
		}
		listener->worker->counters.connections_accepted++;
		is_last = worker_load_accepted(listener->worker, fd);
		session_h1_start(listener->worker, listener, fd, &client);
		if (is_last) {
			pause_accepting(listener);
			return;
		}
	}
	loop_defer(listener->worker->loop, &listener->again);
}

static void socket_ready(struct loop_fd *watch, uint32_t events)
{
	(void)events;
	accept_some(CONTAINER(watch, struct listener, watch));
}

static void run_again(struct loop_task *task)
{
	accept_some(CONTAINER(task, struct listener, again));
}

static void pause_over(struct timer *timer)
{
	accept_some(CONTAINER(timer, struct listener, pause));
}

void listener_start(struct worker *worker, const char *spec, bool is_https, int fd)
{
	struct listener *listener = mem_zalloc(sizeof(*listener));
	socklen_t len = sizeof(listener->local.as);

	listener->worker = worker;
	listener->nrefs = 1;
	listener->spec = mem_strdup(spec);
	listener->is_https = is_https;
	listener->watch = (struct loop_fd){.fd = fd, .ready = socket_ready};
	listener->again.run = run_again;
	timer_init(&listener->pause, pause_over);
	if (getsockname(fd, &listener->local.as.any, &len) != 0)
		listener->is_wildcard = true;
	else
		listener->is_wildcard = is_wildcard(&listener->local);
	addr_unmap(&listener->local);
	list_push_back(&worker->listeners, &listener->node);
	if (!loop_watch(worker->loop, &listener->watch))
		log_say(0, "ERROR: cannot watch the socket of %s: %s", spec, strerror(errno));
}

static void stop(struct listener *listener)
{
	loop_unwatch(listener->worker->loop, &listener->watch);
	loop_task_cancel(&listener->again);
	timer_cancel(&listener->pause);
	close(listener->watch.fd);
	list_remove(&listener->node);
	listener_unref(listener);
}

void listener_stop(struct worker *worker, const char *spec, bool is_https)
{
	LIST_EACH_SAFE(node, &worker->listeners) {
		struct listener *listener = CONTAINER(node, struct listener, node);

		if (listener->is_https != is_https || strcmp(listener->spec, spec) != 0)
			continue;
		session_h2_stop_all(worker, listener, false);
		stop(listener);
	}
}

void listener_stop_all(struct worker *worker)
{
	LIST_EACH_SAFE(node, &worker->listeners)
		stop(CONTAINER(node, struct listener, node));
}

struct listener *listener_ref(struct listener *listener)
{
	listener->nrefs++;
	return listener;
}

void listener_unref(struct listener *listener)
{
	if (!listener || --listener->nrefs > 0)
		return;
	mem_free(listener->spec);
	mem_free(listener);
}

const struct port *listener_port(const struct listener *listener, const struct snapshot *snapshot)
{
	const struct port *port = snapshot_config(snapshot)->ports->first;

	while (port && (port->is_https_line != listener->is_https ||
			!str_eq(port->spec, str_of(listener->spec))))
		port = port->next;
	return port;
}

void listener_local(const struct listener *listener, int fd, struct addr *out)
{
	socklen_t len = sizeof(out->as);

	*out = listener->local;
	if (listener->is_wildcard && getsockname(fd, &out->as.any, &len) == 0)
		addr_unmap(out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "squid-compat/ports.h"

enum { MISSING_MAX_BYTES = 8192 };

void sockets_init(struct sockets *sockets, unsigned nworkers)
{
	list_init(&sockets->ports);
	sockets->inherited = NULL;
	sockets->ninherited = 0;
	sockets->nworkers = nworkers;
	buf_init(&sockets->missing, MISSING_MAX_BYTES);
}

static void close_from(struct listening *listening, unsigned first)
{
	for (unsigned i = first; i < listening->nfds; i++)
		close(listening->fds[i]);
	if (listening->nfds > first)
		listening->nfds = first;
}

static void destroy(struct listening *listening)
{
	close_from(listening, 0);
	list_remove(&listening->node);
	if (listening->unix_path && listening->file.inode != 0)
		unix_socket_remove(listening->unix_path, &listening->file);
	mem_free(listening->unix_path);
	mem_free(listening->spec);
	mem_free(listening);
}

void sockets_fini(struct sockets *sockets)
{
	LIST_EACH_SAFE(node, &sockets->ports)
		destroy(CONTAINER(node, struct listening, node));
	sockets_drop_inherited(sockets);
	buf_fini(&sockets->missing);
}

/* ---- sockets that somebody else opened */

void sockets_inherit(struct sockets *sockets, const int *fds, unsigned nfds)
{
	sockets->inherited = mem_array(nfds, sizeof(*fds));
	sockets->ninherited = nfds;
	memcpy(sockets->inherited, fds, nfds * sizeof(*fds));
}

unsigned sockets_drop_inherited(struct sockets *sockets)
{
	unsigned n = sockets->ninherited;

	for (unsigned i = 0; i < n; i++)
		close(sockets->inherited[i]);
	mem_free(sockets->inherited);
	sockets->inherited = NULL;
	sockets->ninherited = 0;
	return n;
}

static bool has_path(const struct sockaddr_un *name, socklen_t len, const char *path)
{
	size_t at = offsetof(struct sockaddr_un, sun_path);

	return path && len > at && strlen(path) <= len - at &&
	       strncmp(name->sun_path, path, len - at) == 0;
}

/* Is it bound to the address of this port? Then listening->bound is that. */
static bool is_for(int fd, struct listening *listening, bool is_any)
{
	union {
		struct addr tcp;
		struct sockaddr_un un;
	} name;
	socklen_t len = sizeof(name);
	struct addr any;

	memset(&name, 0, sizeof(name));
	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
		return false;
	if (listening->unix_path || name.un.sun_family == AF_UNIX)
		return name.un.sun_family == AF_UNIX &&
		       has_path(&name.un, len, listening->unix_path);
	if (addr_port(&name.tcp) != addr_port(&listening->addr))
		return false;
	listening->bound = name.tcp;
	addr_parse(STR("0.0.0.0"), addr_port(&name.tcp), &any);
	return addr_eq_ip(&name.tcp, &listening->addr) || (is_any && addr_eq_ip(&name.tcp, &any));
}

static bool has_reuse_port(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len) == 0 && on;
}

static void know_file(struct listening *listening)
{
	struct stat file;

	if (!listening->unix_path || lstat(listening->unix_path, &file) != 0)
		return;
	listening->file = (struct unix_socket_file){file.st_dev, file.st_ino};
}

/* Takes those of the port. */
static void adopt(struct sockets *sockets, struct listening *listening, bool is_any)
{
	unsigned left = 0;

	for (unsigned i = 0; i < sockets->ninherited; i++) {
		int fd = sockets->inherited[i];

		if (listening->nfds >= SERVER_MAX_WORKERS || !is_for(fd, listening, is_any)) {
			sockets->inherited[left++] = fd;
			continue;
		}
		listening->fds[listening->nfds++] = fd;
		/* Who opened it may have known nothing of the port's options. */
		if (!listening->unix_path)
			socket_set_options(fd, &listening->bound, &listening->options);
	}
	sockets->ninherited = left;
	if (listening->nfds == 0)
		return;
	listening->is_shared = !has_reuse_port(listening->fds[0]);
	know_file(listening);
}

/* ---- one port */

/* Does anybody have the address? 0, or the errno of a bind without SO_REUSEPORT. It does not
 * listen, so no connection can come to it. */
static int probe(const struct addr *addr)
{
	int fd = socket(addr->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, error = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, &addr->as.any, addr_len(addr)) != 0)
		error = errno;
	close(fd);
	return error;
}

/* One of ours may have the same number on another address, or leave it with this reload. */
static bool has_number(const struct sockets *sockets, uint16_t number)
{
	LIST_EACH(node, &sockets->ports)
		if (addr_port(&CONTAINER(node, struct listening, node)->addr) == number)
			return true;
	return false;
}

/* The address to bind: IPv4's wildcard where there is no IPv6. False: said in why. */
static bool choose_address(const struct sockets *sockets, const struct port *port,
                           struct addr *bound, struct err_text *why)
{
	uint16_t number = addr_port(&port->addr);
	char text[ADDR_TEXT_BYTES];
	int error;

	*bound = port->addr;
	error = probe(bound);
	if (port->is_any && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
		addr_parse(STR("0.0.0.0"), number, bound);
		error = probe(bound);
	}
	if (error == 0 ||
	    (error == EADDRINUSE && (sockets->is_beside || has_number(sockets, number))))
		return true;
	err_say(why, "commBind: Cannot bind socket to %s: (%d) %s", addr_text(bound, text), error,
	        strerror(error));
	return false;
}

static struct socket_options options_of(const struct port *port)
{
	return (struct socket_options){
		.reuse_port = true,
		.keepalive = port->keepalive.is_on,
		.keepalive_idle_s = port->keepalive.idle_s,
		.keepalive_interval_s = port->keepalive.interval_s,
		.keepalive_timeout_s = port->keepalive.timeout_s,
		.recv_bytes = port->recv_bytes,
		.no_pmtu_discovery = port->pmtu == PORT_PMTU_ALWAYS,
	};
}

/* All workers accept from the one socket that there is. */
static bool open_more_shared(struct listening *listening, unsigned nworkers, struct err_text *why)
{
	if (listening->nfds == 0 && nworkers > 0) {
		if (unix_socket_listen(listening->unix_path, (mode_t)listening->unix_mode,
		                       &listening->fds[0], &listening->file, why) != ERR_OK)
			return false;
		listening->nfds = 1;
	}
	while (listening->nfds < nworkers) {
		int fd = fcntl(listening->fds[0], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			err_say(why, "cannot share %s: %s", listening->spec, strerror(errno));
			return false;
		}
		listening->fds[listening->nfds++] = fd;
	}
	return true;
}

/* Adds sockets up to nworkers. */
static bool open_more(struct listening *listening, unsigned nworkers, struct err_text *why)
{
	if (listening->unix_path || listening->is_shared)
		return open_more_shared(listening, nworkers, why);
	while (listening->nfds < nworkers) {
		if (socket_listen(&listening->bound, &listening->options,
		                  &listening->fds[listening->nfds], why) != ERR_OK)
			return false;
		listening->nfds++;
	}
	return true;
}

static void note_missing(struct sockets *sockets, const struct listening *listening,
                         const char *why, struct str said)
{
	char *line = mem_printf("%s_port %s\t%s\n", listening->is_https ? "https" : "http",
				listening->spec, why);

	if (said.len == 0 || !memmem(said.at, said.len, line, strlen(line)))
		log_say(0, "ERROR: http_port %s: %s; going on without it", listening->spec, why);
	buf_add_str(&sockets->missing, str_of(line));
	mem_free(line);
}

static void open_port(struct sockets *sockets, const struct port *port, struct str said)
{
	struct listening *listening = mem_zalloc(sizeof(*listening));
	struct err_text why;

	listening->spec = str_dup(port->spec);
	listening->is_https = port->is_https_line;
	listening->is_accel = port->is_accel;
	listening->is_new = true;
	listening->addr = port->addr;
	listening->options = options_of(port);
	listening->unix_path = port->unix_path.at ? str_dup(port->unix_path) : NULL;
	listening->unix_mode = port->unix_mode;
	list_init(&listening->node);
	adopt(sockets, listening, port->is_any);
	if ((listening->nfds > 0 || listening->unix_path ||
	     choose_address(sockets, port, &listening->bound, &why)) &&
	    open_more(listening, sockets->nworkers, &why)) {
		list_push_back(&sockets->ports, &listening->node);
		return;
	}
	note_missing(sockets, listening, why.at, said);
	destroy(listening);
}

/* ---- all ports */

static struct listening *find(struct sockets *sockets, const struct port *port)
{
	LIST_EACH(node, &sockets->ports) {
		struct listening *listening = CONTAINER(node, struct listening, node);

		if (str_eq(str_of(listening->spec), port->spec) &&
		    listening->is_https == port->is_https_line &&
		    addr_port(&listening->addr) == addr_port(&port->addr) &&
		    addr_eq_ip(&listening->addr, &port->addr))
			return listening;
	}
	return NULL;
}

static void change_mode(struct listening *listening, unsigned mode)
{
	if (unix_socket_set_mode(listening->unix_path, (mode_t)mode, &listening->file))
		listening->unix_mode = mode;
	else
		log_say(0, "ERROR: cannot change the mode of %s: %s", listening->spec,
		        strerror(errno));
}

static void open_or_keep(struct sockets *sockets, const struct port *port, struct str said)
{
	struct listening *listening = find(sockets, port);

	if (!listening) {
		open_port(sockets, port, said);
		return;
	}
	listening->is_gone = false;
	if (listening->unix_mode != port->unix_mode)
		change_mode(listening, port->unix_mode);
}

/* What stands in said is not said again. */
static void open_all(struct sockets *sockets, const struct ports *ports, struct str said)
{
	LIST_EACH(node, &sockets->ports)
		CONTAINER(node, struct listening, node)->is_gone = true;
	for (const struct port *port = ports->first; port; port = port->next)
		open_or_keep(sockets, port, said);
}

void sockets_open(struct sockets *sockets, const struct ports *ports)
{
	buf_clear(&sockets->missing);
	sockets->is_beside = getenv(SOCKETS_BESIDE) != NULL;
	open_all(sockets, ports, STR_NONE);
	if (sockets->is_beside) /* the start: there is no other thread yet */
		unsetenv(SOCKETS_BESIDE);
	sockets->is_beside = false;
}

void sockets_retry(struct sockets *sockets, const struct ports *ports)
{
	struct buf said = sockets->missing;

	buf_init(&sockets->missing, MISSING_MAX_BYTES);
	open_all(sockets, ports, buf_str(&said));
	buf_fini(&said);
}

void sockets_commit(struct sockets *sockets)
{
	LIST_EACH_SAFE(node, &sockets->ports) {
		struct listening *listening = CONTAINER(node, struct listening, node);

		listening->is_new = false;
		if (listening->is_gone)
			destroy(listening);
	}
}

void sockets_revert(struct sockets *sockets)
{
	LIST_EACH_SAFE(node, &sockets->ports) {
		struct listening *listening = CONTAINER(node, struct listening, node);

		listening->is_gone = false;
		if (listening->is_new)
			destroy(listening);
	}
}

unsigned sockets_count(const struct sockets *sockets)
{
	unsigned n = 0;

	LIST_EACH(node, &sockets->ports)
		n += !CONTAINER(node, struct listening, node)->is_gone;
	return n;
}

void sockets_resize(struct sockets *sockets, unsigned nworkers)
{
	struct err_text why;

	sockets->nworkers = nworkers;
	LIST_EACH(node, &sockets->ports) {
		struct listening *listening = CONTAINER(node, struct listening, node);

		if (!open_more(listening, nworkers, &why))
			log_say(0, "ERROR: http_port %s: %s; fewer workers serve it",
			        listening->spec, why.at);
	}
}

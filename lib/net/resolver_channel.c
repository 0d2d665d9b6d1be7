/* SPDX-License-Identifier: BSD-2-Clause */
/* c-ares on the loop: its sockets, its clock, and the name servers that it asks. */
#include <ares.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/net/resolver_internal.h"

enum {
	TRY_PARTS = 15, /* 1 + 2 + 4 + 8 */
	MAX_TRIES = 12,
	MIN_TRY_MS = 100,
	MAX_TRY_MS = 60000,
};

void resolver_plan_retry(struct resolver *resolver)
{
	struct timeval left;

	if (ares_timeout(resolver->channel, NULL, &left))
		timer_set(resolver->loop, &resolver->retry,
		          loop_now_ms(resolver->loop) + (int64_t)left.tv_sec * 1000 +
		                  left.tv_usec / 1000 + 1);
	else
		timer_cancel(&resolver->retry);
}

void resolver_retry_is_due(struct timer *timer)
{
	struct resolver *resolver = CONTAINER(timer, struct resolver, retry);

	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolver_plan_retry(resolver);
}

static void socket_is_ready(struct loop_fd *watch, uint32_t events)
{
	struct resolver *resolver = CONTAINER(watch, struct socket_watch, watch)->resolver;
	bool has_failed = events & (EPOLLERR | EPOLLHUP);
	ares_socket_t fd = watch->fd;

	/* May close this socket, which frees the watch. */
	ares_process_fd(resolver->channel, has_failed || (events & EPOLLIN) ? fd : ARES_SOCKET_BAD,
	                has_failed || (events & EPOLLOUT) ? fd : ARES_SOCKET_BAD);
	resolver_plan_retry(resolver);
}

static struct socket_watch *find_socket(struct resolver *resolver, ares_socket_t fd)
{
	LIST_EACH(node, &resolver->sockets) {
		struct socket_watch *socket = CONTAINER(node, struct socket_watch, node);

		if (socket->watch.fd == fd)
			return socket;
	}
	return NULL;
}

static void close_socket_watch(struct socket_watch *socket)
{
	loop_unwatch(socket->resolver->loop, &socket->watch);
	list_remove(&socket->node);
	mem_free(socket);
}

/* c-ares says what it waits for on a socket; for nothing: it is about to close it. */
static void socket_wants(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = arg;
	struct socket_watch *socket = find_socket(resolver, fd);

	if (!readable && !writable) {
		if (socket)
			close_socket_watch(socket);
		return;
	}
	if (!socket) {
		socket = mem_alloc(sizeof(*socket));
		*socket = (struct socket_watch){.watch = {.fd = fd, .ready = socket_is_ready},
		                                .resolver = resolver};
		list_push_back(&resolver->sockets, &socket->node);
	}
	/* If that fails, the question times out. */
	loop_watch_level(resolver->loop, &socket->watch,
	                 (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0));
}

/* "10.0.0.1 [::1]:5353" as c-ares wants it. */
static int set_nameservers(ares_channel channel, const char *nameservers)
{
	struct str rest = str_of(nameservers), word;
	char text[ADDR_TEXT_BYTES];
	struct addr addr;
	struct buf list;
	int status;

	buf_init(&list, 65536);
	while (str_word(&rest, &word)) {
		if (list.len > 0)
			buf_add_char(&list, ',');
		if (addr_parse(word, 53, &addr))
			word = str_of(addr_text(&addr, text));
		buf_add_str(&list, word);
	}
	buf_add_char(&list, '\0');
	status = list.is_full ? ARES_EBADSTR : ares_set_servers_ports_csv(channel, list.at);
	buf_fini(&list);
	return status;
}

/* dns_retransmit_interval, doubled each time that all name servers were asked; without one,
 * dns_timeout is divided among the tries. */
static int try_ms(const struct resolver *resolver)
{
	int64_t part_ms = resolver->retransmit_ms;

	if (part_ms == 0)
		part_ms = resolver->timeout_ms / TRY_PARTS;
	if (part_ms < MIN_TRY_MS)
		return MIN_TRY_MS;
	return part_ms < MAX_TRY_MS ? (int)part_ms : MAX_TRY_MS;
}

/* As many as dns_timeout has room for. */
static int ntries(const struct resolver *resolver)
{
	int64_t spent_ms = try_ms(resolver);
	int n = 1;

	while (spent_ms < resolver->timeout_ms && n < MAX_TRIES) {
		spent_ms += (int64_t)try_ms(resolver) << n;
		n++;
	}
	return n;
}

int resolver_open_channel(struct resolver *resolver)
{
	char lookups[] = "b"; /* the hosts file is ours */
	struct ares_options options = {
		.flags = resolver->uses_search_list ? 0 : ARES_FLAG_NOSEARCH,
		.timeout = try_ms(resolver),
		.tries = ntries(resolver),
		.lookups = lookups,
		.sock_state_cb = socket_wants,
		.sock_state_cb_data = resolver,
	};
	int which = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
	            ARES_OPT_SOCK_STATE_CB;
	ares_channel channel;
	int status;

#ifdef ARES_OPT_QUERY_CACHE /* 1.31: answers are kept here, not there */
	options.qcache_max_ttl = 0;
	which |= ARES_OPT_QUERY_CACHE;
#endif
	status = ares_init_options(&channel, &options, which);
	if (status != ARES_SUCCESS)
		return status;
	if (resolver->nameservers)
		status = set_nameservers(channel, resolver->nameservers);
	if (status != ARES_SUCCESS) {
		ares_destroy(channel);
		return status;
	}
	if (resolver->channel)
		ares_destroy(resolver->channel);
	resolver->channel = channel;
	resolver->is_channel_suspect = false;
	return ARES_SUCCESS;
}

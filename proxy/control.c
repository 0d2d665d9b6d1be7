/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/disk.h"
#include "cache/index.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "proxy/tally.h"
#include "proxy/version.h"
#include "squid-compat/config.h"

struct control {
	struct control_options options;
	struct loop_fd listener;
	struct list connections;
	unsigned nconnections;
	bool is_running; /* a command: what it answers goes out when it returns */
};

/* One question. */
struct connection {
	struct list node;
	struct control *control;
	struct loop_fd watch;
	struct timer timer;
	struct buf in, out;
	size_t sent;
	bool is_asked; /* the line is there: what follows is of no interest */
	bool awaits_reload;
	struct tally_request *tally; /* under way; write then says what is asked */
	void (*write)(struct connection *connection, const struct tally *tally);
};

/* ---- the socket */

/* Is somebody there? Only then it stays. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive =
		fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	                    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return alive;
}

static bool bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	bool is_bound = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
	int error = errno;

	umask(mask);
	errno = error;
	return is_bound;
}

static bool give_to_user(const char *path, const struct config *config)
{
	return geteuid() != 0 || lchown(path, config->effective_uid, config->effective_gid) == 0;
}

enum err control_listen(const char *path, const struct config *config, int *fd,
                        struct err_text *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int opened;

	if (strlen(path) >= sizeof(address.sun_path)) {
		err_say(why, "control socket %s: the name is too long", path);
		return ERR_LIMIT;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (is_alive(&address)) {
		err_say(why, "control socket %s: another instance listens there", path);
		return ERR_IO;
	}
	unlink(path);
	opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (opened >= 0 && bind_private(opened, &address) && give_to_user(path, config) &&
	    listen(opened, CONTROL_MAX_CONNECTIONS) == 0) {
		*fd = opened;
		return ERR_OK;
	}
	err_say(why, "control socket %s: (%d) %s", path, errno, strerror(errno));
	if (opened >= 0)
		close(opened);
	return ERR_IO;
}

/* ---- a connection */

static void destroy_connection(struct connection *connection)
{
	struct control *control = connection->control;

	loop_unwatch(control->options.loop, &connection->watch);
	close(connection->watch.fd);
	timer_cancel(&connection->timer);
	tally_cancel(connection->tally);
	list_remove(&connection->node);
	buf_fini(&connection->in);
	buf_fini(&connection->out);
	mem_free(connection);
	control->nconnections--;
}

static void set_timer(struct connection *connection)
{
	struct loop *loop = connection->control->options.loop;

	timer_set(loop, &connection->timer, loop_now_ms(loop) + CONTROL_WAIT_MS);
}

/* Sends what the socket takes; the connection ends with the last byte. */
static void send_answer(struct connection *connection)
{
	struct str rest = str_from(buf_str(&connection->out), connection->sent);

	while (rest.len > 0) {
		ssize_t n = send(connection->watch.fd, rest.at, rest.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			loop_watch_level(connection->control->options.loop, &connection->watch,
			                 EPOLLOUT);
			return;
		}
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0) {
			connection->sent += (size_t)n;
			rest = str_from(rest, (size_t)n);
		}
	}
	destroy_connection(connection);
}

static void tally_done(void *owner, const struct tally *tally)
{
	struct connection *connection = owner;

	connection->tally = NULL;
	connection->write(connection, tally);
	send_answer(connection);
}

static void say_error(struct connection *connection, const char *reason)
{
	buf_printf(&connection->out, "ERROR %s\n", reason);
}

/* ---- commands */

/* The workers are asked, and the answer is written when they have told. */
static void ask_workers(struct connection *connection,
                        void (*write)(struct connection *connection, const struct tally *tally))
{
	struct control_options *options = &connection->control->options;

	if (serve_is_stopping(options->serve)) {
		say_error(connection, "stopping");
		return;
	}
	connection->write = write;
	connection->tally =
		tally_ask(serve_server(options->serve), options->loop, tally_done, connection);
}

static void say_disk(struct buf *out, struct disk *disk)
{
	static const char *const states[] = {
		[DISK_NORMAL] = "normal", [DISK_PAUSED] = "paused", [DISK_OFF] = "off"};
	struct disk_stats stats;

	disk_stats(disk, &stats);
	buf_printf(out, "disk.state = %s%s\n", states[stats.state],
	           stats.is_loading ? " (loading)" : "");
	buf_printf(out, "disk.objects = %" PRIu64 "\n", stats.objects);
	buf_printf(out, "disk.used_bytes = %" PRIu64 "\n", stats.used_bytes);
	buf_printf(out, "disk.max_bytes = %" PRIu64 "\n", stats.max_bytes);
	buf_printf(out, "disk.lookups = %" PRIu64 "\n", stats.lookups);
	buf_printf(out, "disk.hits = %" PRIu64 "\n", stats.hits);
	buf_printf(out, "disk.stored = %" PRIu64 "\n", stats.stored);
	buf_printf(out, "disk.refused = %" PRIu64 "\n", stats.refused);
	buf_printf(out, "disk.faults = %" PRIu64 "\n", stats.faults);
}

static void write_info(struct connection *connection, const struct tally *tally)
{
	struct serve *serve = connection->control->options.serve;
	const struct server *server = serve_server(serve);
	struct buf *out = &connection->out;
	struct index_stats memory;

	index_stats(server->index, &memory);
	buf_printf(out, "OK\nversion = " VERSION_TEXT "\npid = %d\n", (int)getpid());
	buf_printf(out, "uptime_s = %" PRId64 "\n",
	           (clock_wall_us() - server->started_us) / 1000000);
	buf_printf(out, "configuration = %s\n", serve_config(serve)->path);
	buf_printf(out, "workers = %u\n", server->nworkers);
	buf_printf(out, "sessions = %u\n", tally->nsessions);
	buf_printf(out, "requests = %" PRIu64 "\n", tally->counters.client_requests);
	buf_printf(out, "memory.objects = %zu\n", memory.nobjects);
	buf_printf(out, "memory.used_bytes = %zu\n", memory.bytes);
	buf_printf(out, "memory.max_bytes = %zu\n", memory.max_bytes);
	buf_printf(out, "memory.evicted = %" PRIu64 "\n", memory.nevicted);
	for (unsigned i = 0; i < server->ndisks; i++)
		say_disk(out, server->disks[i]);
}

static void do_info(struct connection *connection, struct str argument)
{
	(void)argument;
	ask_workers(connection, write_info);
}

#define COUNTER(field) offsetof(struct counters, field)

/* Squid's names where Squid has the counter. */
static const struct {
	const char *name;
	size_t offset;
	unsigned unit;
} counters[] = {
	{"client_http.requests", COUNTER(client_requests), 1},
	{"client_http.hits", COUNTER(client_hits), 1},
	{"client_http.errors", COUNTER(client_errors), 1},
	{"client_http.kbytes_in", COUNTER(client_bytes_in), 1024},
	{"client_http.kbytes_out", COUNTER(client_bytes_out), 1024},
	{"client_http.hit_kbytes_out", COUNTER(client_hit_bytes_out), 1024},
	{"client_http.connections", COUNTER(connections_accepted), 1},
	{"server.all.requests", COUNTER(server_requests), 1},
	{"server.all.errors", COUNTER(server_errors), 1},
	{"server.all.kbytes_in", COUNTER(server_bytes_in), 1024},
	{"server.all.kbytes_out", COUNTER(server_bytes_out), 1024},
};

static void write_counters(struct connection *connection, const struct tally *tally)
{
	buf_printf(&connection->out, "OK\n");
	for (size_t i = 0; i < COUNT(counters); i++) {
		uint64_t n;

		memcpy(&n, (const char *)&tally->counters + counters[i].offset, sizeof(n));
		buf_printf(&connection->out, "%s = %" PRIu64 "\n", counters[i].name,
		           n / counters[i].unit);
	}
}

static void do_counters(struct connection *connection, struct str argument)
{
	(void)argument;
	ask_workers(connection, write_counters);
}

static void do_reconfigure(struct connection *connection, struct str argument)
{
	struct control_options *options = &connection->control->options;

	(void)argument;
	connection->awaits_reload = true;
	options->reload(options->owner);
}

static void do_rotate(struct connection *connection, struct str argument)
{
	(void)argument;
	serve_rotate(connection->control->options.serve);
	buf_printf(&connection->out, "OK\n");
}

static void do_shutdown(struct connection *connection, struct str argument)
{
	struct control_options *options = &connection->control->options;

	(void)argument;
	buf_printf(&connection->out, "OK\n");
	options->shutdown(options->owner);
}

static void do_purge(struct connection *connection, struct str url)
{
	struct server *server = serve_server(connection->control->options.serve);
	uint64_t key = index_key(server->index, url);
	struct disk *disk = server_disk(server, key);
	unsigned nmemory, ndisk;

	if (url.len == 0) {
		say_error(connection, "purge needs a URL");
		return;
	}
	nmemory = index_remove_all(server->index, key, url);
	ndisk = disk ? disk_remove_all(disk, key) : 0;
	buf_printf(&connection->out, "OK\nmemory = %u\ndisk = %u\n", nmemory, ndisk);
}

static const struct {
	const char *name;
	void (*run)(struct connection *connection, struct str argument);
} commands[] = {
	{"info", do_info},     {"counters", do_counters}, {"reconfigure", do_reconfigure},
	{"rotate", do_rotate}, {"shutdown", do_shutdown}, {"purge", do_purge},
};

static void run_command(struct connection *connection, struct str line)
{
	struct str word = STR_NONE, argument = line;

	connection->is_asked = true;
	/* Nothing more is read: an unread byte would wake the loop for ever. */
	loop_watch_level(connection->control->options.loop, &connection->watch, 0);
	str_word(&argument, &word);
	argument = str_trim(argument);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (str_eq(word, str_of(commands[i].name))) {
			commands[i].run(connection, argument);
			return;
		}
	say_error(connection, "unknown command");
}

/* ---- reading */

static bool read_more(struct connection *connection)
{
	char piece[4096];
	ssize_t n = recv(connection->watch.fd, piece, sizeof(piece), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && buf_add(&connection->in, piece, (size_t)n);
}

static void on_ready(struct loop_fd *watch, uint32_t events)
{
	struct connection *connection = CONTAINER(watch, struct connection, watch);
	struct str line;

	if (connection->is_asked) {
		if (events & EPOLLOUT)
			send_answer(connection);
		else
			destroy_connection(connection);
		return;
	}
	if (!read_more(connection)) {
		destroy_connection(connection);
		return;
	}
	line = buf_str(&connection->in);
	line.len = str_find_char(line, '\n');
	if (line.len == connection->in.len)
		return;
	set_timer(connection);
	connection->control->is_running = true;
	run_command(connection, line);
	connection->control->is_running = false;
	if (connection->out.len > 0)
		send_answer(connection);
}

static void on_timer(struct timer *timer)
{
	destroy_connection(CONTAINER(timer, struct connection, timer));
}

static void on_accept(struct loop_fd *watch, uint32_t events)
{
	struct control *control = CONTAINER(watch, struct control, listener);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *connection;

	(void)events;
	if (fd < 0)
		return;
	if (control->nconnections == CONTROL_MAX_CONNECTIONS) {
		close(fd);
		return;
	}
	connection = mem_zalloc(sizeof(*connection));
	connection->control = control;
	connection->watch = (struct loop_fd){.fd = fd, .ready = on_ready};
	buf_init(&connection->in, CONTROL_MAX_LINE_BYTES);
	buf_init(&connection->out, CONTROL_MAX_ANSWER_BYTES);
	timer_init(&connection->timer, on_timer);
	list_push_back(&control->connections, &connection->node);
	control->nconnections++;
	set_timer(connection);
	if (!loop_watch_level(control->options.loop, &connection->watch, EPOLLIN))
		destroy_connection(connection);
}

struct control *control_create(const struct control_options *options)
{
	struct control *control = mem_zalloc(sizeof(*control));

	control->options = *options;
	control->listener = (struct loop_fd){.fd = options->fd, .ready = on_accept};
	list_init(&control->connections);
	if (!loop_watch_level(options->loop, &control->listener, EPOLLIN))
		log_say(0, "ERROR: cannot watch the control socket: %s; bobtailctl will not work",
		        strerror(errno));
	return control;
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	LIST_EACH_SAFE(node, &control->connections)
		destroy_connection(CONTAINER(node, struct connection, node));
	loop_unwatch(control->options.loop, &control->listener);
	close(control->listener.fd);
	mem_free(control);
}

void control_reload_done(struct control *control, bool is_ok)
{
	if (!control)
		return;
	LIST_EACH_SAFE(node, &control->connections) {
		struct connection *connection = CONTAINER(node, struct connection, node);

		if (!connection->awaits_reload)
			continue;
		connection->awaits_reload = false;
		if (is_ok)
			buf_printf(&connection->out, "OK\n");
		else
			say_error(connection,
			          "the configuration cannot be used; cache.log says why");
		if (!control->is_running)
			send_answer(connection);
	}
}

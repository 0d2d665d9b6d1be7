/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's whole connection over HTTP/2: frames to a session of a worker that is turned by hand, with
 * an origin behind it. Whatever comes, the session ends when its client has gone, and nothing of it is
 * left. The first byte says how: bit 0: without the preface; bit 1: the client reads nothing; the rest:
 * how many bytes it sends at once (0: all). */
#include "tests/fuzz/fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/session/listener.h"
#include "tests/unit/proxy/server_fixture.h"

enum {
	MAX_ORIGINS = 128,
	IDLE_TURNS = 3,     /* without news: nothing more will happen */
	MAX_TURNS = 100000, /* an end that does not come */
	PIECE_BYTES = 8,
};

static struct rig {
	struct server_fixture base;
	struct sockaddr_un origin_addr, port_addr;
	int origin; /* listens */
	int conns[MAX_ORIGINS];
	int nconns;
} rig;

/* ---- the origin: GET /N has N bytes, /w nothing ever, /h a 103 before */

static void say(int fd, const char *bytes, size_t len)
{
	(void)!send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(int fd, const char *request)
{
	static char reply[65536];
	const char *path = strchr(request, '/');
	unsigned long n = path ? strtoul(path + 1, NULL, 10) % 60000 : 0;
	int head;

	if (path && path[1] == 'w')
		return;
	if (path && path[1] == 'h')
		say(fd, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 41);
	head = snprintf(reply, sizeof(reply),
	                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %lu\r\n\r\n",
	                n);
	memset(reply + head, 'x', n);
	say(fd, reply, (size_t)head + n);
}

/* True: something came. */
static bool serve(int i)
{
	char bytes[16384];
	ssize_t n = recv(rig.conns[i], bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

	if (n < 0)
		return false;
	if (n == 0) {
		close(rig.conns[i]);
		rig.conns[i] = rig.conns[--rig.nconns];
		return true;
	}
	bytes[n] = '\0';
	if (strstr(bytes, " HTTP/1.1\r\n"))
		answer(rig.conns[i], bytes);
	return true;
}

static bool run_origin(void)
{
	bool is_news = false;
	int fd;

	while (rig.nconns < MAX_ORIGINS &&
	       (fd = accept4(rig.origin, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		rig.conns[rig.nconns++] = fd;
	for (int i = rig.nconns - 1; i >= 0; i--)
		is_news |= serve(i);
	return is_news;
}

/* ---- the proxy */

static int listen_at(const char *name, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/tmp/h2_session_fuzz.%d.%s",
	         (int)getpid(), name);
	unlink(addr->sun_path);
	check(fd >= 0 && bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 &&
	      listen(fd, MAX_ORIGINS) == 0);
	return fd;
}

static void leave(void)
{
	unlink(rig.origin_addr.sun_path);
	unlink(rig.port_addr.sun_path);
}

static void start(void)
{
	char lines[1024];

	rig.origin = listen_at("origin", &rig.origin_addr);
	snprintf(lines, sizeof(lines),
	         "http_port 81 accel defaultsite=a.example h2c\n"
	         "cache_peer unix:%s parent 0 0 originserver no-query connect-fail-limit=1000000\n"
	         "cache_mem 4 MB\nworkers 1\nquick_abort_min 0 KB\nquick_abort_max 0 KB\n"
	         "http_upgrade_request_protocols websocket allow all\n",
	         rig.origin_addr.sun_path);
	server_fixture_init(&rig.base, lines);
	worker_turn(rig.base.worker);
	listener_start(rig.base.worker, "81", false, listen_at("port", &rig.port_addr));
	atexit(leave);
}

/* ---- the client */

static bool drain(int fd)
{
	char bytes[65536];

	return recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
}

static bool turn(int client, bool reads)
{
	bool is_news = run_origin();

	worker_turn(rig.base.worker);
	return (reads && drain(client)) || is_news;
}

static void turn_while_there_is_news(int client, bool reads)
{
	int idle = 0;

	for (int i = 0; i < MAX_TURNS && idle < IDLE_TURNS; i++)
		idle = turn(client, reads) ? 0 : idle + 1;
}

/* As far as the proxy takes it. */
static void send_all(int client, const uint8_t *bytes, size_t len, size_t piece, bool reads)
{
	int idle = 0;

	while (len > 0 && idle < IDLE_TURNS) {
		ssize_t n = send(client, bytes, len < piece ? len : piece,
		                 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		idle = turn(client, reads) || n > 0 ? 0 : idle + 1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	check(fd >= 0 && connect(fd, (const struct sockaddr *)&rig.port_addr,
	                         sizeof(rig.port_addr)) == 0);
	return fd;
}

static void end(int client)
{
	const struct worker *worker = rig.base.worker;
	int i = 0;

	close(client);
	for (; worker->nsessions > 0 || !list_is_empty(&worker->fetches); i++) {
		check(i < MAX_TURNS);
		run_origin();
		worker_turn(rig.base.worker);
	}
	check(list_is_empty(&worker->h2_sessions));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"; /* its NUL is the last */
	bool reads;
	size_t piece;
	int client;

	if (len == 0)
		return 0;
	if (!rig.base.worker)
		start();
	reads = !(bytes[0] & 2);
	piece = bytes[0] >> 2 ? (size_t)(bytes[0] >> 2) * PIECE_BYTES : len;
	client = connect_client();
	if (!(bytes[0] & 1))
		send_all(client, preface, sizeof(preface), sizeof(preface), reads);
	send_all(client, bytes + 1, len - 1, piece, reads);
	turn_while_there_is_news(client, reads);
	end(client);
	return 0;
}

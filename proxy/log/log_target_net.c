/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP and UDP collectors, and syslog (RFC 3164 as syslog(3) of libc writes it to /dev/log). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "proxy/log/log_target_internal.h"

enum {
	DATAGRAM_BYTES = 1400, /* with several records */
	SYSLOG_BYTES = 8192,
};

static int open_socket(struct log_target *target, const struct sockaddr *to, socklen_t len,
                       int type)
{
	int fd = socket(to->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return errno;
	if (connect(fd, to, len) != 0 && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		return error;
	}
	target->fd = fd;
	return 0;
}

static void add_as_it_is(struct log_target *target, struct str record)
{
	buf_add_str(&target->out, record);
}

/* ---- TCP: until it is connected, sending says EAGAIN */

static int open_tcp(struct log_target *target)
{
	return open_socket(target, &target->addr.as.any, addr_len(&target->addr), SOCK_STREAM);
}

const struct log_target_ops log_target_tcp = {
	.open = open_tcp,
	.add = add_as_it_is,
	.send = log_target_send,
	.read = log_target_discard,
};

/* ---- UDP */

static int open_udp(struct log_target *target)
{
	return open_socket(target, &target->addr.as.any, addr_len(&target->addr), SOCK_DGRAM);
}

/* One line, or as many as a datagram holds. */
static size_t datagram_bytes(struct str left, bool holds_several)
{
	size_t len = str_find_char(left, '\n') + 1;
	const char *newline;

	if (!holds_several || len >= DATAGRAM_BYTES)
		return len;
	newline = memrchr(left.at, '\n', left.len < DATAGRAM_BYTES ? left.len : DATAGRAM_BYTES);
	return (size_t)(newline + 1 - left.at);
}

/* That nobody listens, or that a record is too long for a datagram, is not found out again and
 * again: it is lost. */
static ssize_t send_datagram(struct log_target *target, struct str left)
{
	size_t len = datagram_bytes(left, target->is_buffered);
	ssize_t n = log_target_send(target, str_first(left, len));

	return n == -ECONNREFUSED || n == -EMSGSIZE ? (ssize_t)len : n;
}

const struct log_target_ops log_target_udp = {
	.open = open_udp,
	.add = add_as_it_is,
	.send = send_datagram,
};

/* ---- syslog */

static int open_syslog(struct log_target *target)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	str_copy(str_of(target->place ? target->place : "/dev/log"), to.sun_path,
		 sizeof(to.sun_path));
	return open_socket(target, (struct sockaddr *)&to, sizeof(to), SOCK_DGRAM);
}

static size_t syslog_head(const struct log_target *target, char *out, size_t size)
{
	time_t seconds = (time_t)(clock_wall_us() / 1000000);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%h %e %T", &tm);
	return (size_t)snprintf(out, size, "<%d>%s squid[%d]: ", target->priority, when,
				(int)getpid());
}

/* A message has no newline. */
static ssize_t send_message(struct log_target *target, struct str left)
{
	char message[SYSLOG_BYTES];
	size_t line = str_find_char(left, '\n');
	size_t len = syslog_head(target, message, sizeof(message));
	size_t room = sizeof(message) - len, taken = line < room ? line : room;
	ssize_t n;

	memcpy(message + len, left.at, taken);
	n = log_target_send(target, (struct str){message, len + taken});
	return n < 0 ? n : (ssize_t)line + 1;
}

const struct log_target_ops log_target_syslog = {
	.open = open_syslog,
	.add = add_as_it_is,
	.send = send_message,
};

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/activation.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { FIRST_FD = 3 };

static int64_t number(const char *name)
{
	const char *text = getenv(name);
	int64_t value;

	return text && str_to_i64(str_of(text), &value) ? value : 0;
}

static bool is_listening_stream(int fd)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       (len = sizeof(listens),
	        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0) &&
	       listens;
}

unsigned activation_take(int fds[ACTIVATION_MAX_FDS])
{
	static const char *const variables[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
	int64_t given = number("LISTEN_PID") == getpid() ? number("LISTEN_FDS") : 0;
	unsigned n = 0;

	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	for (int fd = FIRST_FD; fd < FIRST_FD + given && n < ACTIVATION_MAX_FDS; fd++) {
		if (!is_listening_stream(fd)) {
			log_say(0,
			        "WARNING: descriptor %d from the service manager is no listening "
			        "stream socket; it is left alone",
			        fd);
			continue;
		}
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fds[n++] = fd;
	}
	return n;
}

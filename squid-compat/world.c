/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/net/resolver.h"

static int system_may(const char *path, int mode)
{
	return access(path, mode) == 0 ? 0 : errno;
}

static int read_all(int fd, struct buf *out)
{
	for (;;) {
		char piece[8192];
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0 && !buf_add(out, piece, (size_t)n))
			return EFBIG;
	}
}

/* O_NONBLOCK: opening a FIFO must not hang the start. */
static int system_read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int error = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) != 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else
		error = read_all(fd, out);
	close(fd);
	return error;
}

static uint16_t system_service(const char *name)
{
	struct servent entry, *found = NULL;
	char memory[1024];

	if (getservbyname_r(name, "tcp", &entry, memory, sizeof(memory), &found) != 0 || !found)
		return 0;
	return ntohs((uint16_t)found->s_port);
}

const struct world world_system = {
	.resolve = resolver_blocking,
	.may = system_may,
	.read_file = system_read_file,
	.service = system_service,
};

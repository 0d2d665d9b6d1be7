/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "lib/net/resolver.h"
#include "squid-compat/source.h"
#include "squid-compat/tls/password_program.h"

static int system_may(const char *path, int mode)
{
	struct stat st;

	if (mode == WORLD_IS_GUARDED || mode == WORLD_IS_PRIVATE)
		return stat(path, &st) == 0 &&
				       (st.st_mode & (mode == WORLD_IS_GUARDED ? S_IWOTH : S_IROTH))
			       ? EPERM
			       : 0;
	if (access(path, mode) != 0)
		return errno;
	return mode == X_OK && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
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

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int system_list(const char *path, struct source_names *out)
{
	struct dirent **found;
	int n = scandir(path, &found, is_entry, alphasort);

	if (n < 0)
		return errno;
	*out = (struct source_names){mem_array((size_t)n, sizeof(char *)), (size_t)n};
	for (int i = 0; i < n; i++) {
		out->at[i] = mem_strdup(found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return 0;
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
	.list = system_list,
	.service = system_service,
	.ask_password = password_program_ask,
};

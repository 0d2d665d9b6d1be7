/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

_Static_assert(UNIX_SOCKET_MAX_PATH < sizeof(((struct sockaddr_un *)0)->sun_path), "it fits");

bool unix_socket_is_path(struct str path)
{
	return path.len > 1 && path.len <= UNIX_SOCKET_MAX_PATH && path.at[0] == '/' &&
	       !memchr(path.at, '\0', path.len);
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	check(strlen(path) <= UNIX_SOCKET_MAX_PATH);
	str_copy(str_of(path), address.sun_path, sizeof(address.sun_path));
	return address;
}

int unix_socket_connect(const char *path)
{
	const struct sockaddr_un address = address_of(path);
	int fd = new_socket(), error;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Makes way for a new file. 0, or the errno that says why the old one has to stay. */
static int remove_stale(const char *path)
{
	struct stat status;
	int fd;

	if (lstat(path, &status) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(status.st_mode))
		return EEXIST;
	fd = unix_socket_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN)
		return EADDRINUSE;
	if (fd != -ECONNREFUSED)
		return -fd;
	return unlink(path) == 0 || errno == ENOENT ? 0 : errno;
}

/* The umask had its say in bind. Not by the path: where others may write, it could lead to another
 * file by now, which is not to be opened to everybody. */
bool unix_socket_set_mode(const char *path, mode_t mode, struct unix_socket_file *file)
{
	int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	char *own;
	bool is_set;

	if (at < 0)
		return false;
	own = mem_printf("/proc/self/fd/%d", at);
	is_set = fstat(at, &status) == 0 && S_ISSOCK(status.st_mode) && chmod(own, mode) == 0;
	if (is_set)
		*file = (struct unix_socket_file){status.st_dev, status.st_ino};
	mem_free(own);
	close(at);
	return is_set;
}

static bool bind_and_listen(int fd, const char *path, mode_t mode, struct unix_socket_file *file)
{
	const struct sockaddr_un address = address_of(path);
	int error;

	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return false;
	if (unix_socket_set_mode(path, mode, file) && listen(fd, SOMAXCONN) == 0)
		return true;
	error = errno;
	unlink(path);
	errno = error;
	return false;
}

enum err unix_socket_listen(const char *path, mode_t mode, int *fd, struct unix_socket_file *file,
			    struct err_text *why)
{
	int error = remove_stale(path), opened = -1;

	if (error == 0) {
		opened = new_socket();
		if (opened >= 0 && bind_and_listen(opened, path, mode, file)) {
			*fd = opened;
			return ERR_OK;
		}
		error = errno;
	}
	err_say(why, "cannot listen on unix:%s: %s", path,
		error == EEXIST ? "there is a file that is no socket" : strerror(error));
	if (opened >= 0)
		close(opened);
	return ERR_IO;
}

void unix_socket_remove(const char *path, const struct unix_socket_file *file)
{
	struct stat status;

	if (lstat(path, &status) == 0 && status.st_dev == file->device &&
	    status.st_ino == file->inode)
		unlink(path);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/unix_socket.h: Unix-domain stream sockets, by the path of their file. Any thread; none of
 * these blocks. */
#ifndef NET_UNIX_SOCKET_H
#define NET_UNIX_SOCKET_H
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum { UNIX_SOCKET_MAX_PATH = 107 }; /* bytes, without the NUL: what the system takes */

/* The file behind a listening socket, so that only that one is removed. */
struct unix_socket_file {
	dev_t device;
	ino_t inode;
};

/* Absolute, of a length that fits, without a NUL. */
bool unix_socket_is_path(struct str path);

/* A listening, non-blocking, close-on-exec socket whose file has that mode, whatever the umask. A
 * file that is there already is removed if it is a socket that nobody listens on any more; anything
 * else stays and is ERR_IO, with why. On failure *fd and *file are untouched. */
enum err unix_socket_listen(const char *path, mode_t mode, int *fd, struct unix_socket_file *file,
			    struct err_text *why);

/* Another mode for it. False: errno says why not. */
bool unix_socket_set_mode(const char *path, mode_t mode, struct unix_socket_file *file);

/* Removes the file, unless another has taken its place. */
void unix_socket_remove(const char *path, const struct unix_socket_file *file);

/* A connected, non-blocking, close-on-exec socket, or a negative errno (-EAGAIN: more connections
 * than its listener takes wait already). */
int unix_socket_connect(const char *path);

#endif

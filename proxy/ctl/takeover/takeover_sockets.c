/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"

enum { FIRST_OWN_FD = 600, PATH_BYTES = 64 }; /* below it, their numbers can be ours for a moment */

/* ---- a descriptor of another process */

int takeover_copy_fd(pid_t pid, int their_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd, high;

	if (pidfd < 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, their_fd, 0);
	close(pidfd);
	if (fd < 0)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
	close(fd);
	return high;
}

/* Calls use with each descriptor whose link begins with kind. */
static void each_fd(pid_t pid, const char *kind, void (*use)(void *user, pid_t pid, int fd),
                    void *user)
{
	char path[PATH_BYTES], target[PATH_BYTES];
	DIR *dir;
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len <= 0)
			continue;
		target[len] = '\0';
		if (strncmp(target, kind, strlen(kind)) == 0)
			use(user, pid, atoi(entry->d_name));
	}
	if (dir)
		closedir(dir);
}

/* ---- the process and its children */

static pid_t parent_of(pid_t pid)
{
	char path[PATH_BYTES], text[512];
	const char *behind;
	size_t len;
	FILE *file;
	int parent = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	behind = strrchr(text, ')'); /* a name may hold anything */
	if (behind && sscanf(behind, ") %*c %d", &parent) != 1)
		parent = -1;
	return parent;
}

static void find_family(struct takeover_sockets *sockets, pid_t pid)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	sockets->pids[sockets->npids++] = pid;
	while (dir && (entry = readdir(dir))) {
		pid_t child = atoi(entry->d_name);

		if (child > 0 && parent_of(child) == pid && sockets->npids < TAKEOVER_MAX_PROCESSES)
			sockets->pids[sockets->npids++] = child;
	}
	if (dir)
		closedir(dir);
}

/* ---- sockets */

static bool is_listening_tcp(int fd)
{
	int listens = 0, domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       (domain == AF_INET || domain == AF_INET6) &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static bool has(const struct takeover_sockets *sockets, int fd)
{
	struct stat one, other;

	if (fstat(fd, &one) != 0)
		return true;
	for (unsigned i = 0; i < sockets->n; i++)
		if (fstat(sockets->at[i].fd, &other) == 0 && one.st_ino == other.st_ino)
			return true;
	return false;
}

static void take_socket(void *user, pid_t pid, int their_fd)
{
	struct takeover_sockets *sockets = user;
	int fd = takeover_copy_fd(pid, their_fd);

	if (fd < 0)
		return;
	if (sockets->n < TAKEOVER_MAX_SOCKETS && is_listening_tcp(fd) && !has(sockets, fd))
		sockets->at[sockets->n++] = (struct takeover_socket){fd, pid, their_fd};
	else
		close(fd);
}

bool takeover_sockets_take(pid_t pid, struct takeover_sockets *sockets, struct err_text *why)
{
	int test;

	*sockets = (struct takeover_sockets){0};
	test = takeover_copy_fd(pid, STDIN_FILENO);
	if (test < 0 && errno != EBADF) {
		err_say(why, "no access to the sockets of process %d: %s", (int)pid,
		        strerror(errno));
		return false;
	}
	if (test >= 0)
		close(test);
	find_family(sockets, pid);
	for (unsigned i = 0; i < sockets->npids; i++)
		each_fd(sockets->pids[i], "socket:", take_socket, sockets);
	if (sockets->n > 0)
		return true;
	err_say(why, "process %d listens on no TCP port", (int)pid);
	return false;
}

void takeover_sockets_close(struct takeover_sockets *sockets)
{
	while (sockets->n > 0)
		close(sockets->at[--sockets->n].fd);
}

/* ---- their epoll: a watch goes by the open file and the number that it had, so that for a moment
 * our copy has that number too */

struct silencing {
	const struct takeover_socket *socket;
	bool is_again, is_done;
};

static void silence_in(void *user, pid_t pid, int their_epoll)
{
	struct silencing *silencing = user;
	int number = silencing->socket->their_fd;
	struct epoll_event event = {.events = EPOLLIN | EPOLLHUP | EPOLLERR, .data.fd = number};
	int epoll = takeover_copy_fd(pid, their_epoll);
	int saved = fcntl(number, F_DUPFD_CLOEXEC, FIRST_OWN_FD); /* what we had there; -1: nothing */

	if (epoll >= 0 && dup2(silencing->socket->fd, number) == number) {
		silencing->is_done |=
			epoll_ctl(epoll, silencing->is_again ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		                  number, &event) == 0;
		close(number);
		if (saved >= 0)
			dup2(saved, number);
	}
	if (saved >= 0)
		close(saved);
	if (epoll >= 0)
		close(epoll);
}

unsigned takeover_sockets_silence(const struct takeover_sockets *sockets, bool is_again)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sockets->n; i++) {
		const struct takeover_socket *socket = &sockets->at[i];
		struct silencing silencing = {socket, is_again, false};

		if (socket->their_fd > STDERR_FILENO && socket->their_fd < FIRST_OWN_FD)
			each_fd(socket->pid, "anon_inode:[eventpoll]", silence_in, &silencing);
		n += silencing.is_done;
	}
	return n;
}

/* ---- two on one address */

bool takeover_address(int fd, struct addr *addr)
{
	socklen_t len = sizeof(addr->as);

	*addr = (struct addr){0};
	return getsockname(fd, &addr->as.any, &len) == 0;
}

unsigned takeover_sockets_at(const struct takeover_sockets *sockets, unsigned n,
			     const struct addr *addr)
{
	unsigned nsame = 0;
	struct addr other;

	for (unsigned i = 0; i < n; i++)
		nsame += takeover_address(sockets->at[i].fd, &other) &&
			 addr_eq_ip(&other, addr) && addr_port(&other) == addr_port(addr);
	return nsame;
}

void takeover_share_port(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

void takeover_steer(int fd, unsigned index)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, index)};
	struct sock_fprog program = {.len = COUNT(code), .filter = code};

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

void takeover_unsteer(int fd)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &on, sizeof(on));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk that fails when a test says so: preloaded into the proxy, it stands between SQLite and the
 * system, for the files cache.db* alone. The file that IO_FAULTS names is shared with the test: its
 * first byte is the fault (one of the letters below, or 0), the second is set when it struck; at
 * SHIFT_AT are the seconds (64 bits) that the clock of the day is off. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/magic.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_ERROR = 'r',
	WRITE_ERROR = 'w',
	SYNC_ERROR = 's',
	NO_SPACE = 'f',
	FILE_LIMIT = 'b', /* RLIMIT_FSIZE: a signal, then EFBIG */
	READ_ONLY = 'o',
	SLOW_READ = 'R', /* as long as the fault lasts */
	SLOW_WRITE = 'W',
	NETWORK = 'n', /* the file system says that it is NFS */
};

enum { SHIFT_AT = 8 };

static volatile char *control;

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("IO_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (at != MAP_FAILED)
		control = at;
	if (fd >= 0)
		close(fd);
}

static int is_cache_file(int fd)
{
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return 0;
	path[len] = 0;
	return strstr(path, "/cache.db") != NULL;
}

static int strikes(int fault, int fd)
{
	if (!control || control[0] != fault || !is_cache_file(fd))
		return 0;
	control[1] = 1;
	return 1;
}

static void linger(int fault, int fd)
{
	enum { NAP_US = 10000, MOST_NAPS = 3000 };

	for (int i = 0; i < MOST_NAPS && strikes(fault, fd); i++)
		usleep(NAP_US);
}

/* What a call that changes a file comes to: 0, or -1 with errno. */
static int change(int fd)
{
	linger(SLOW_WRITE, fd);
	if (strikes(WRITE_ERROR, fd))
		errno = EIO;
	else if (strikes(NO_SPACE, fd))
		errno = ENOSPC;
	else if (strikes(READ_ONLY, fd))
		errno = EROFS;
	else if (strikes(FILE_LIMIT, fd) && raise(SIGXFSZ) == 0)
		errno = EFBIG;
	else
		return 0;
	return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread64(int fd, void *at, size_t len, off64_t offset)
{
	linger(SLOW_READ, fd);
	if (strikes(READ_ERROR, fd)) {
		errno = EIO;
		return -1;
	}
	return NEXT(pread64)(fd, at, len, offset);
}

ssize_t pwrite64(int fd, const void *at, size_t len, off64_t offset)
{
	return change(fd) != 0 ? -1 : NEXT(pwrite64)(fd, at, len, offset);
}

int ftruncate64(int fd, off64_t len)
{
	return change(fd) != 0 ? -1 : NEXT(ftruncate64)(fd, len);
}

static int is_sync_struck(int fd)
{
	linger(SLOW_WRITE, fd);
	if (!strikes(SYNC_ERROR, fd))
		return 0;
	errno = EIO;
	return 1;
}

int fsync(int fd)
{
	return is_sync_struck(fd) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
	return is_sync_struck(fd) ? -1 : NEXT(fdatasync)(fd);
}

int statfs64(const char *path, struct statfs64 *out)
{
	int status = NEXT(statfs64)(path, out);

	if (control && control[0] == NETWORK)
		out->f_type = NFS_SUPER_MAGIC;
	return status;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int status = NEXT(clock_gettime)(clock, out);

	if (control && clock == CLOCK_REALTIME)
		out->tv_sec += *(volatile int64_t *)(control + SHIFT_AT);
	return status;
}

/* GnuTLS asks this one. */
time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int open64(const char *path, int flags, ...)
{
	__typeof__(&open64) next = NEXT(open64);
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	if (control && control[0] == READ_ONLY && strstr(path, "/cache.db") &&
	    flags & (O_WRONLY | O_RDWR | O_CREAT)) {
		control[1] = 1;
		errno = EROFS;
		return -1;
	}
	return next(path, flags, mode);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "squid-compat/config.h"

enum { MALLOC_ARENAS = 2, MALLOC_MMAP_BYTES = 128 << 10 };

/* Set once, before any thread. */
static struct {
	char **arguments;
	char program[PATH_MAX]; /* "": not known */
} self;

/* Linux marks the path of a file that has been replaced since: a new one lies there. */
static size_t length_without_deleted(const char *path, size_t length)
{
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;

	if (length <= tail || strcmp(path + length - tail, deleted) != 0 || access(path, F_OK) == 0)
		return length;
	return length - tail;
}

void process_remember(char **arguments)
{
	ssize_t n = readlink("/proc/self/exe", self.program, sizeof(self.program) - 1);

	self.arguments = arguments;
	self.program[n > 0 ? n : 0] = '\0';
	if (n > 0)
		self.program[length_without_deleted(self.program, (size_t)n)] = '\0';
}

char **process_arguments(void)
{
	return self.arguments;
}

const char *process_program(void)
{
	return self.program[0] ? self.program : NULL;
}

static int open_null(void)
{
	return open("/dev/null", O_RDWR | O_NOCTTY);
}

/* A file of ours must never become somebody's stderr. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open_null();
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

void process_init(void)
{
	fill_standard_descriptors();
	mallopt(M_ARENA_MAX, MALLOC_ARENAS);
	/* Fixed: by itself it would rise, and large tables that grow leave holes in the heap. */
	mallopt(M_MMAP_THRESHOLD, MALLOC_MMAP_BYTES);
	tzset(); /* the files may be out of reach later */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
}

int process_take_signals(const int *signals, unsigned nsignals)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < nsignals; i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* ---- limits, directories, users */

unsigned long process_max_files(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long)limit.rlim_cur : 0;
}

/* As asked, as far as the system lets us; what is not asked is as much as there may be. */
static void raise_files(const struct config *config)
{
	rlim_t wanted = (rlim_t)config->max_filedescriptors;
	struct rlimit limit, was;

	if (getrlimit(RLIMIT_NOFILE, &was) != 0)
		return;
	limit = was;
	if (wanted > 0)
		limit.rlim_cur = limit.rlim_max = wanted;
	else
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	limit = was;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	log_say(0, "WARNING: max_filedescriptors %d is more than the system allows: %lu it is",
	        config->max_filedescriptors, process_max_files());
}

static bool enter_directories(const struct config *config, struct err_text *why)
{
	if (config->chroot_dir && (chroot(config->chroot_dir) != 0 || chdir("/") != 0)) {
		err_say(why, "chroot %s: (%d) %s", config->chroot_dir, errno, strerror(errno));
		return false;
	}
	if (config->coredump_dir && chdir(config->coredump_dir) != 0)
		log_say(1, "WARNING: coredump_dir %s: (%d) %s", config->coredump_dir, errno,
		        strerror(errno));
	return true;
}

/* A group of its own is the only one; else the user has all that are its. */
static bool take_groups(const struct config *config)
{
	if (config->effective_group)
		return setgroups(1, &config->effective_gid) == 0;
	return initgroups(config->effective_user, config->effective_gid) == 0;
}

static bool drop_privileges(const struct config *config, struct err_text *why)
{
	uid_t uid = config->effective_uid;
	gid_t gid = config->effective_gid;

	if (geteuid() != 0 || !config->effective_user)
		return true;
	if (take_groups(config) && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)
		return true;
	err_say(why, "cannot become %s: (%d) %s", config->effective_user, errno, strerror(errno));
	return false;
}

enum err process_settle(const struct config *config, struct err_text *why)
{
	raise_files(config);
	umask((mode_t)config->umask_bits);
	/* The directory of the cores is the user's: entered as that user, unless it is in a jail.
	 */
	if ((config->chroot_dir && !enter_directories(config, why)) ||
	    !drop_privileges(config, why) ||
	    (!config->chroot_dir && !enter_directories(config, why)))
		return ERR_IO;
	/* Whoever changed its user leaves no core otherwise. */
	prctl(PR_SET_DUMPABLE, 1);
	return ERR_OK;
}

/* ---- going to the background */

static void wait_for_daemon(int ready_fd)
{
	char byte;
	ssize_t n;

	do
		n = read(ready_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void close_standard_descriptors(bool keep_stderr)
{
	int null = open_null();

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!keep_stderr)
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

unsigned process_count_files(unsigned *largest)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned n = 0;

	*largest = 0;
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		unsigned fd = (unsigned)strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] == '.' || fd == (unsigned)dirfd(folder))
			continue;
		n++;
		if (fd > *largest)
			*largest = fd;
	}
	if (folder)
		closedir(folder);
	return n;
}

bool process_detach(bool keep_stderr, int *ready_fd)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid < 0)
		return false;
	if (pid > 0) {
		close(ends[1]);
		wait_for_daemon(ends[0]);
	}
	close(ends[0]);
	setsid();
	close_standard_descriptors(keep_stderr);
	*ready_fd = ends[1];
	return true;
}

void process_close_others(int keep_a, int keep_b)
{
	unsigned a = keep_a > STDERR_FILENO ? (unsigned)keep_a : STDERR_FILENO;
	unsigned b = keep_b > STDERR_FILENO ? (unsigned)keep_b : STDERR_FILENO;
	unsigned low = a < b ? a : b, high = a < b ? b : a;

	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

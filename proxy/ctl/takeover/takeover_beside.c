/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_beside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/addr.h"
#include "proxy/ctl/takeover/takeover_sockets.h"

enum {
	LOOK_US = 2000,
	SYSCALL_STOP = SIGTRAP | 0x80, /* PTRACE_O_TRACESYSGOOD */
	EVENT_SHIFT = 16,
	MAX_LISTENERS = TAKEOVER_MAX_SOCKETS,
	TRACE_S = 60, /* at most */
	NO_PROGRAM_STATUS = 127,
};
#define TRACE_OPTIONS                                                                              \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

struct listener {
	pid_t pid;
	int their_fd, fd; /* the same socket, with them and with us */
	unsigned nothers; /* that listened on its address before */
};

struct watch {
	const struct takeover_sockets *sockets;
	struct listener listeners[MAX_LISTENERS]; /* bound beside others */
	unsigned nlisteners, nlistening, naddresses;
	pid_t listens; /* is in listen(), as the next stop of it tells */
};

static unsigned count_addresses(const struct takeover_sockets *sockets)
{
	unsigned n = 0;
	struct addr addr;

	for (unsigned i = 0; i < sockets->n; i++)
		n += takeover_address(sockets->at[i].fd, &addr) &&
		     takeover_sockets_at(sockets, i, &addr) == 0;
	return n;
}

/* ---- what the traced ones do */

static bool read_address(pid_t pid, uint64_t at, uint64_t len, struct addr *addr)
{
	struct iovec here = {&addr->as, len < sizeof(addr->as) ? len : sizeof(addr->as)};
	struct iovec there = {(void *)(uintptr_t)at, here.iov_len};

	*addr = (struct addr){0};
	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)here.iov_len;
}

/* Before bind(fd, address, length). */
static void before_bind(struct watch *watch, pid_t pid, const uint64_t args[6])
{
	const struct takeover_sockets *sockets = watch->sockets;
	struct listener *listener = &watch->listeners[watch->nlisteners];
	int type = 0;
	socklen_t len = sizeof(type);
	struct addr addr;

	if (watch->nlisteners == MAX_LISTENERS || !read_address(pid, args[1], args[2], &addr))
		return;
	*listener = (struct listener){.pid = pid,
	                              .their_fd = (int)args[0],
	                              .nothers = takeover_sockets_at(sockets, sockets->n, &addr)};
	if (listener->nothers == 0)
		return;
	listener->fd = takeover_copy_fd(pid, listener->their_fd);
	if (listener->fd < 0)
		return;
	if (getsockopt(listener->fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    type != SOCK_STREAM) {
		close(listener->fd);
		return;
	}
	takeover_share_port(listener->fd);
	for (unsigned i = 0; i < sockets->n; i++)
		takeover_share_port(sockets->at[i].fd);
	watch->nlisteners++;
}

/* Behind listen(). */
static void has_listened(struct watch *watch)
{
	unsigned nlistening = 0;
	int listens = 0;
	socklen_t len = sizeof(listens);

	for (unsigned i = 0; i < watch->nlisteners; i++) {
		const struct listener *listener = &watch->listeners[i];

		if (getsockopt(listener->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
		    !listens)
			continue;
		takeover_steer(listener->fd, listener->nothers);
		nlistening++;
	}
	watch->nlistening = nlistening;
}

static void saw_syscall(struct watch *watch, pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_bind) {
		before_bind(watch, pid, (const uint64_t *)info.entry.args);
	} else if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_listen) {
		watch->listens = pid;
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && watch->listens == pid) {
		watch->listens = 0;
		has_listened(watch);
	}
}

/* ---- the process that traces */

/* A signal on its way to the traced one is passed on; stops of ptrace's own have none. */
static int signal_of(int status)
{
	return status >> EVENT_SHIFT == 0 && WSTOPSIG(status) != SYSCALL_STOP ? WSTOPSIG(status)
	                                                                      : 0;
}

/* Until all addresses have their listener, or nobody is left. */
static bool follow(struct watch *watch)
{
	int status;
	pid_t pid;

	while (watch->nlistening < watch->naddresses) {
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return false;
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			saw_syscall(watch, pid);
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal_of(status));
	}
	return true;
}

/* argv begins when the pipe go says that it is traced. False: it is not; true: it cannot be run. */
static bool become(char *const *argv, int go)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		return false;
	execv(argv[0], argv);
	return true;
}

static void become_daemon(char *const *argv, int go)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	become(argv, go);
	_exit(NO_PROGRAM_STATUS);
}

/* Traces pid from here on, and lets it go on. The end of this process ends the tracing: whoever was
 * traced runs on by itself. When it cannot be traced, go closes with this process, and it does not
 * begin. */
static enum takeover_beside trace(pid_t pid, int go, const struct takeover_sockets *sockets)
{
	struct watch watch = {.sockets = sockets, .naddresses = count_addresses(sockets)};
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(intptr_t)TRACE_OPTIONS) != 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0 ||
	    waitpid(pid, &status, __WALL) != pid || ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0 ||
	    write(go, "", 1) != 1)
		return BESIDE_IMPOSSIBLE;
	return follow(&watch) ? BESIDE_LISTENS : BESIDE_FAILED;
}

static int trace_daemon(char *const *argv, const struct takeover_sockets *sockets)
{
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) != 0)
		return BESIDE_IMPOSSIBLE;
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		become_daemon(argv, go[0]);
	}
	return pid < 0 ? BESIDE_IMPOSSIBLE : trace(pid, go[1], sockets);
}

/* Nobody's child, so that argv never hears of it; and not there for ever. */
static void fork_tracer(pid_t traced, int go, const struct takeover_sockets *sockets)
{
	pid_t pid = fork();

	if (pid == 0 && fork() == 0) {
		alarm(TRACE_S);
		_exit(trace(traced, go, sockets));
	}
	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int takeover_become_beside(char *const *argv, const struct takeover_sockets *sockets)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC) != 0)
		return TAKEOVER_CANNOT_TRACE_STATUS;
	fork_tracer(getpid(), go[1], sockets);
	close(go[1]);
	return become(argv, go[0]) ? NO_PROGRAM_STATUS : TAKEOVER_CANNOT_TRACE_STATUS;
}

enum takeover_beside takeover_start_beside(char *const *argv,
                                           const struct takeover_sockets *sockets, int max_ms)
{
	int64_t end_ms = clock_mono_ms() + max_ms;
	pid_t tracer = fork(), ended = 0;
	int status = 0;

	if (tracer == 0)
		_exit(trace_daemon(argv, sockets));
	while (tracer > 0 && (ended = waitpid(tracer, &status, WNOHANG)) == 0 &&
	       clock_mono_ms() < end_ms)
		usleep(LOOK_US);
	if (tracer < 0)
		return BESIDE_IMPOSSIBLE;
	if (ended == tracer)
		return WIFEXITED(status) ? (enum takeover_beside)WEXITSTATUS(status)
		                         : BESIDE_FAILED;
	kill(tracer, SIGKILL);
	waitpid(tracer, &status, 0);
	return BESIDE_FAILED;
}

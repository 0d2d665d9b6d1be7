/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/tls/password_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

extern char **environ;

/* The signals that this program blocks, the other shall hear. */
static int start(const char *program, const char *key_path, int out_fd, pid_t *pid)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)key_path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int error;

	sigemptyset(&none);
	check(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attr) == 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	error = posix_spawn(pid, program, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return error;
}

/* Until the end of the first line, or of all. */
static int read_line(int fd, char *text, size_t size, size_t *len)
{
	int64_t until_ms = clock_mono_ms() + PASSWORD_WAIT_MS;

	for (*len = 0; *len < size && !memchr(text, '\n', *len);) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left_ms = until_ms - clock_mono_ms();
		int n = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? ETIMEDOUT : errno;
		got = read(fd, text + *len, size - *len);
		if (got <= 0)
			return got < 0 ? errno : 0;
		*len += (size_t)got;
	}
	return 0;
}

static int take_line(const char *text, size_t len, struct buf *out)
{
	struct str line = {text, len};

	line = str_first(line, str_find_char(line, '\n'));
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0)
		return EIO;
	return buf_add_str(out, line) ? 0 : EFBIG;
}

int password_program_ask(const char *program, const char *key_path, struct buf *out)
{
	char text[PASSWORD_MAX_BYTES];
	size_t len = 0;
	int fds[2], error;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	error = start(program, key_path, fds[1], &pid);
	close(fds[1]);
	if (error == 0) {
		error = read_line(fds[0], text, sizeof(text), &len);
		kill(pid, SIGKILL); /* it has said what it had to */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	close(fds[0]);
	if (error == 0)
		error = take_line(text, len, out);
	explicit_bzero(text, sizeof(text));
	return error;
}

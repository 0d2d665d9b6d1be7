/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char *const *argv, bool is_silent, int out)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = is_silent ? open("/dev/null", O_WRONLY) : -1;

		if (null >= 0)
			dup2(null, STDERR_FILENO);
		dup2(out, STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int takeover_run(char *const *argv, bool is_silent)
{
	return wait_for(start(argv, is_silent, STDOUT_FILENO));
}

int takeover_run_read(char *const *argv, char *text, size_t size)
{
	char beyond[512];
	size_t len = 0;
	ssize_t n = 1;
	int out[2];
	pid_t pid;

	text[0] = '\0';
	if (pipe2(out, O_CLOEXEC) != 0)
		return -1;
	pid = start(argv, true, out[1]);
	close(out[1]);
	while (pid > 0 && n > 0 && len < size - 1) {
		n = read(out[0], text + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	while (pid > 0 && n > 0)
		n = read(out[0], beyond, sizeof(beyond));
	close(out[0]);
	return wait_for(pid);
}

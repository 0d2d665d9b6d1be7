/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/takeover/takeover_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

int takeover_run(char *const *argv, bool is_silent)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		int null = is_silent ? open("/dev/null", O_WRONLY) : -1;

		if (null >= 0)
			dup2(null, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "lib/base/str.h"

enum { MAX_PID_TEXT = 32 };

/* NUMBER [white space]; anything else is none. */
static bool parse_pid(struct str text, pid_t *pid)
{
	int64_t number;

	while (text.len > 0 && strchr(" \t\r\n", text.at[text.len - 1]))
		text.len--;
	if (!str_to_i64(text, &number) || number < 2 || number > INT32_MAX)
		return false;
	*pid = (pid_t)number;
	return true;
}

enum err pid_file_read(const char *path, pid_t *pid, struct err_text *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[MAX_PID_TEXT];
	ssize_t n;

	if (fd < 0) {
		err_say(why, "failed to open %s: (%d) %s", path, errno, strerror(errno));
		return ERR_IO;
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0 && parse_pid((struct str){text, (size_t)n}, pid))
		return ERR_OK;
	err_say(why, "Malformed PID file (%s)", path);
	return ERR_INPUT;
}

bool pid_file_is_free(const char *path, struct err_text *why)
{
	pid_t pid;

	if (pid_file_read(path, &pid, NULL) != ERR_OK || pid == getpid())
		return true;
	if (kill(pid, 0) != 0 && errno != EPERM)
		return true;
	err_say(why, "Squid is already running: Found fresh instance PID file (%s) with PID %d",
	        path, (int)pid);
	return false;
}

static bool write_pid(int fd)
{
	char text[MAX_PID_TEXT];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return write(fd, text, (size_t)n) == n && fchmod(fd, 0644) == 0;
}

/* Beside it first: nobody reads half a number. */
static int open_beside(const char *beside)
{
	unlink(beside);
	return open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
}

static enum err cannot_open(const char *path, struct err_text *why)
{
	err_say(why, "failed to open %s: (%d) %s", path, errno, strerror(errno));
	return ERR_IO;
}

enum err pid_file_try(const char *path, struct err_text *why)
{
	char *beside = mem_printf("%s.new", path);
	int fd = open_beside(beside);
	enum err err = fd >= 0 ? ERR_OK : cannot_open(path, why);

	if (fd >= 0) {
		close(fd);
		unlink(beside);
	}
	mem_free(beside);
	return err;
}

enum err pid_file_write(struct pid_file *file, const char *path, struct err_text *why)
{
	char *beside;
	int fd;

	*file = (struct pid_file){NULL, -1};
	if (!path)
		return ERR_OK;
	beside = mem_printf("%s.new", path);
	fd = open_beside(beside);
	if (fd >= 0 && write_pid(fd) && rename(beside, path) == 0) {
		*file = (struct pid_file){mem_strdup(path), fd};
		mem_free(beside);
		return ERR_OK;
	}
	cannot_open(path, why);
	if (fd >= 0) {
		unlink(beside);
		close(fd);
	}
	mem_free(beside);
	return ERR_IO;
}

void pid_file_remove(struct pid_file *file)
{
	pid_t pid;

	if (!file->path)
		return;
	if (pid_file_read(file->path, &pid, NULL) == ERR_OK && pid == getpid() &&
	    unlink(file->path) != 0)
		(void)!ftruncate(file->fd, 0);
	close(file->fd);
	mem_free(file->path);
	*file = (struct pid_file){NULL, -1};
}

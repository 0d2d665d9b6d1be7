/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/pid_file.h: the file that names the running instance: decimal digits and a newline,
 * mode 0644. The sentences are Squid's, without "FATAL: ". One thread's. */
#ifndef PROXY_PID_FILE_H
#define PROXY_PID_FILE_H
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct pid_file {
	char *path; /* NULL: none was written */
	int fd;
};

/* ERR_IO: it cannot be opened; ERR_INPUT: there is no pid in it. *pid is untouched then. */
enum err pid_file_read(const char *path, pid_t *pid, struct err_text *why);

/* False: the process that it names is there, and is not this one. A stale file is no hindrance. */
bool pid_file_is_free(const char *path, struct err_text *why);

/* Could one be made there? For who would not be heard any more when it is written. */
enum err pid_file_try(const char *path, struct err_text *why);

/* Puts this process's pid there, whole or not at all, replacing what was. path NULL: does nothing.
 */
enum err pid_file_write(struct pid_file *file, const char *path, struct err_text *why);

/* Removes it if it is still ours. Who may not (the privileges are gone) leaves it empty, so that it
 * names nobody. */
void pid_file_remove(struct pid_file *file);

#endif

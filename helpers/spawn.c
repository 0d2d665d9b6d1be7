/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/heap.h"

/* environ with SQUID_DEBUG set; the caller frees the array and *entry. */
static char **make_environment(const char *squid_debug, char **entry)
{
	size_t n = 0, out = 0;
	char **list;

	while (environ[n])
		n++;
	list = mem_array(n + 2, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		if (!squid_debug || strncmp(environ[i], "SQUID_DEBUG=", 12) != 0)
			list[out++] = environ[i];
	*entry = squid_debug ? mem_printf("SQUID_DEBUG=%s", squid_debug) : NULL;
	list[out] = *entry;
	return list;
}

/* The child's "(basename)"; the caller frees it. */
static char *shown_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return mem_printf("(%s)", slash ? slash + 1 : path);
}

/* Own process group, default signals, none blocked. */
static void set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
	                                             POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
}

/* posix_spawn, since the program has threads: between fork and exec it does nothing of ours. */
static int spawn(const char *path, char *const *argv, char *const *environment, int io, int notes,
                 pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, io, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, io, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, notes, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_init(&attributes);
	set_attributes(&attributes);
	err = posix_spawn(pid, path, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* Is it a script without `#!`? Squid runs these by the shell (as execvp does). */
static bool is_bare_script(const char *path)
{
	char first = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool has_first = fd >= 0 && read(fd, &first, 1) == 1;

	if (fd >= 0)
		close(fd);
	return has_first && (first == '\n' || first == '\t' || (first >= 32 && first < 127));
}

int spawn_program(const char *const *program, const char *squid_debug, int io, int notes,
                  pid_t *pid)
{
	char *name = shown_name(program[0]), *debug_entry;
	char **environment = make_environment(squid_debug, &debug_entry);
	size_t n = 0;
	const char **argv;
	int err;

	while (program[n])
		n++;
	argv = mem_array(n + 2, sizeof(*argv));
	memcpy(argv + 1, program, n * sizeof(*argv));
	argv[1] = name;
	err = spawn(program[0], (char *const *)(argv + 1), environment, io, notes, pid);
	if (err == ENOEXEC && is_bare_script(program[0])) {
		argv[0] = name;
		argv[1] = program[0];
		err = spawn("/bin/sh", (char *const *)argv, environment, io, notes, pid);
	}
	mem_free(argv);
	mem_free(environment);
	mem_free(debug_entry);
	mem_free(name);
	return err;
}

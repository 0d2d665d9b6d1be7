/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/spawn.h: a new process that has three descriptors and nothing else of ours. */
#ifndef HELPERS_SPAWN_H
#define HELPERS_SPAWN_H
#include <sys/types.h>

/* Starts program[0] with the arguments that follow (NULL-terminated), in a process group of its
 * own: io is its stdin and stdout, notes its stderr. argv[0] is "(basename)"; a script without `#!`
 * is run by /bin/sh. squid_debug: SQUID_DEBUG in its environment; NULL: not set. 0, or an errno.
 * Any thread. */
int spawn_program(const char *const *program, const char *squid_debug, int io, int notes,
                  pid_t *pid);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/process.h: what a process is to the system: its signals, limits, directory, user,
 * terminal. For the main thread, before there are others. */
#ifndef PROXY_PROCESS_H
#define PROXY_PROCESS_H
#include <signal.h>
#include <stdbool.h>

#include "lib/base/err.h"

struct config;

/* Before all else: the command line as it is, and where this program lies, for who starts it
 * again. */
void process_remember(char **arguments);
char **process_arguments(void);
const char *process_program(void); /* NULL: not known */

/* First of all: three standard descriptors, the time zone, little memory for malloc's arenas, no
 * SIGPIPE. */
void process_init(void);

/* Blocks the signals in all threads to come; they are read from the descriptor returned (-1:
 * errno). */
int process_take_signals(const int *signals, unsigned nsignals);

/* From here on as the configuration has it: descriptors, directory for cores, chroot, umask, and,
 * when root, the effective user and groups. There is no way back. */
enum err process_settle(const struct config *config, struct err_text *why);

/* How many descriptors there may be. */
unsigned long process_max_files(void);
/* How many are open, and the largest; the one that looks is not counted. */
unsigned process_count_files(unsigned *largest);

/* Goes on in a new session without terminal. The process that was called waits until *ready_fd gets
 * a byte, then exits with 0; with 1 when that is closed without one. keep_stderr: for -d. False:
 * errno. */
bool process_detach(bool keep_stderr, int *ready_fd);

/* In a forked process: closes all but the standard descriptors and these (-1: none). */
void process_close_others(int keep_a, int keep_b);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_run.h: running another program to its end. argv[0] is looked for in
 * PATH. */
#ifndef PROXY_CTL_TAKEOVER_TAKEOVER_RUN_H
#define PROXY_CTL_TAKEOVER_TAKEOVER_RUN_H
#include <stdbool.h>
#include <stddef.h>

/* Its exit status; -1: it could not be run, or died. is_silent: without what it says on stderr. */
int takeover_run(char *const *argv, bool is_silent);

/* The same, silently; text, of size bytes at least 1, gets the beginning of what it says on
 * stdout. */
int takeover_run_read(char *const *argv, char *text, size_t size);

#endif

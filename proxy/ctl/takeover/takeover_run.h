/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_run.h: running another program to its end. */
#ifndef PROXY_CTL_TAKEOVER_RUN_H
#define PROXY_CTL_TAKEOVER_RUN_H
#include <stdbool.h>

/* Its exit status; -1: it could not be run, or died. argv[0] is looked for in PATH. is_silent: without what it says on
 * stderr. */
int takeover_run(char *const *argv, bool is_silent);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control/control_path.h: where the control socket of an instance lies: PID_FILENAME.ctl;
 * without a pid file, bobtail.ctl in coredump_dir, or in /run. Pure; any thread. */
#ifndef PROXY_CONTROL_PATH_H
#define PROXY_CONTROL_PATH_H

struct config;

/* The caller frees it (mem_free). */
char *control_path(const struct config *config);

#endif

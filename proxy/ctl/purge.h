/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/purge.h: the subcommand purge. */
#ifndef PROXY_CTL_PURGE_H
#define PROXY_CTL_PURGE_H
#include "proxy/ctl/ctl.h"

extern const struct ctl_option ctl_purge_options[];
extern const char ctl_purge_help[];

/* --where: typed at each cache.db as a person would, with a line in its purge_log
 * (purge_where.c). */
int ctl_purge_where(struct ctl *ctl, const char *condition, bool is_soft, bool is_dry);

#endif

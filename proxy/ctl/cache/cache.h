/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/cache/cache.h: the subcommands of `bobtailctl cache`, a file each: cache_NAME.c. */
#ifndef PROXY_CTL_CACHE_H
#define PROXY_CTL_CACHE_H
#include "proxy/ctl/ctl.h"

extern const struct ctl_option ctl_cache_list_options[];
extern const char ctl_cache_list_help[];
int ctl_run_cache_list(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_cache_show_options[];
int ctl_run_cache_show(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_cache_top_options[];
int ctl_run_cache_top(struct ctl *ctl, const struct ctl_args *args);

int ctl_run_cache_stat(struct ctl *ctl, const struct ctl_args *args);

extern const char ctl_cache_verify_help[];
int ctl_run_cache_verify(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_cache_export_options[];
extern const char ctl_cache_export_help[];
int ctl_run_cache_export(struct ctl *ctl, const struct ctl_args *args);

extern const char ctl_cache_import_help[];
int ctl_run_cache_import(struct ctl *ctl, const struct ctl_args *args);

#endif

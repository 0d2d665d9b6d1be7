/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper.h: the subcommands of `bobtailctl helper`, for people who write helpers;
 * a file each: helper_NAME.c. */
#ifndef PROXY_CTL_HELPER_H
#define PROXY_CTL_HELPER_H
#include "proxy/ctl/ctl.h"

extern const struct ctl_option ctl_helpers_options[];
extern const char ctl_helpers_help[];
int ctl_run_helpers(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_helper_test_options[];
extern const char ctl_helper_test_help[];
int ctl_run_helper_test(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_helper_new_options[];
extern const char ctl_helper_new_help[];
int ctl_run_helper_new(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_helper_record_options[];
extern const char ctl_helper_record_help[];
int ctl_run_helper_record(struct ctl *ctl, const struct ctl_args *args);

extern const struct ctl_option ctl_helper_replay_options[];
extern const char ctl_helper_replay_help[];
int ctl_run_helper_replay(struct ctl *ctl, const struct ctl_args *args);

#endif

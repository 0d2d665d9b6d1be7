/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/commands.h: the table of subcommands, and the functions that its rows name. */
#ifndef PROXY_CTL_COMMANDS_H
#define PROXY_CTL_COMMANDS_H
#include "proxy/ctl/ctl.h"

/* All rows; *n says how many. */
const struct ctl_command *ctl_commands(unsigned *n);

/* The row that the first words name; *nwords says how many of them. NULL: none. */
const struct ctl_command *ctl_command_find(int argc, char **argv, int *nwords);

/* simple.c: verbs that take no options and print what they are told */
int ctl_run_info(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_counters(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_config(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_health(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_metrics(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_mgr(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_reconfigure(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_rotate(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_shutdown(struct ctl *ctl, const struct ctl_args *args);

/* config.c */
extern const char ctl_rollback_help[];
int ctl_run_rollback(struct ctl *ctl, const struct ctl_args *args);

/* upgrade.c */
extern const char ctl_upgrade_help[];
int ctl_run_upgrade(struct ctl *ctl, const struct ctl_args *args);

/* acl.c */
extern const struct ctl_option ctl_acl_options[];
extern const char ctl_acl_help[];
int ctl_run_acl(struct ctl *ctl, const struct ctl_args *args);

/* explain.c */
extern const struct ctl_option ctl_explain_options[];
extern const char ctl_explain_help[];
int ctl_run_explain(struct ctl *ctl, const struct ctl_args *args);

/* why.c */
extern const struct ctl_option ctl_why_options[];
int ctl_run_why(struct ctl *ctl, const struct ctl_args *args);

/* log.c */
extern const struct ctl_option ctl_log_options[];
extern const char ctl_log_help[];
int ctl_run_log(struct ctl *ctl, const struct ctl_args *args);

/* init.c */
extern const struct ctl_option ctl_init_options[];
extern const char ctl_init_help[];
int ctl_run_init(struct ctl *ctl, const struct ctl_args *args);

/* takeover.c */
enum { CTL_TAKEOVER_MAX_WORDS = 64 }; /* of a command line */
extern const struct ctl_option ctl_takeover_options[];
extern const char ctl_takeover_help[];
int ctl_run_takeover(struct ctl *ctl, const struct ctl_args *args);

/* top.c */
extern const struct ctl_option ctl_top_options[];
extern const char ctl_top_help[];
int ctl_run_top(struct ctl *ctl, const struct ctl_args *args);

/* trace.c */
extern const struct ctl_option ctl_trace_options[];
extern const char ctl_trace_help[];
int ctl_run_trace(struct ctl *ctl, const struct ctl_args *args);

/* warm.c */
extern const struct ctl_option ctl_warm_options[];
int ctl_run_warm(struct ctl *ctl, const struct ctl_args *args);

/* ban.c */
extern const char ctl_ban_help[];
int ctl_run_ban_list(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_ban_add(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_ban_remove(struct ctl *ctl, const struct ctl_args *args);

/* peer.c */
extern const char ctl_peer_help[];
int ctl_run_peer_list(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_peer_drain(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_peer_undrain(struct ctl *ctl, const struct ctl_args *args);
int ctl_run_peer_weight(struct ctl *ctl, const struct ctl_args *args);

/* purge.c */
int ctl_run_purge(struct ctl *ctl, const struct ctl_args *args);

#endif

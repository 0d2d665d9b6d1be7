/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control/control_verbs.h: the table of verbs, and the functions that its rows name. */
#ifndef PROXY_CONTROL_VERBS_H
#define PROXY_CONTROL_VERBS_H
#include "proxy/control/control_call.h"

const struct control_verb *control_verb_find(struct str name); /* NULL: unknown */

/* control_report.c */
void control_run_info(struct control_call *call);
void control_run_counters(struct control_call *call);

/* control_health.c */
void control_run_health(struct control_call *call);

/* control_import.c, control_objects.c */
void control_run_import(struct control_call *call);
void control_run_objects(struct control_call *call);

/* control_manager.c */
void control_run_manager(struct control_call *call);

/* control_ban.c */
void control_run_ban(struct control_call *call);
/* control_peer.c */
void control_run_peer(struct control_call *call);

/* control_purge.c */
void control_run_purge(struct control_call *call);

/* control_trace.c */
void control_run_trace(struct control_call *call);

/* control_why.c */
void control_run_why(struct control_call *call);

#endif

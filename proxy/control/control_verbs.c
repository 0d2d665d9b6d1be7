/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control/control_verbs.h"

#include "lib/base/check.h"
#include "proxy/serve.h"

static void run_rotate(struct control_call *call)
{
	serve_rotate(control_serve(call));
	control_end(call);
}

static const struct control_verb verbs[] = {
	{"info", 0, 0, control_run_info},
	{"counters", 0, 0, control_run_counters},
	{"health", 0, 0, control_run_health},
	{"reconfigure", 0, 0, control_reload},
	{"rotate", 0, 0, run_rotate},
	{"rollback", 0, 0, control_rollback},
	{"upgrade", 0, 0, control_upgrade},
	{"shutdown", 0, 0, control_shutdown},
	{"purge", 2, 4, control_run_purge},
	{"objects", 0, 2, control_run_objects},
	{"import", 1, 1, control_run_import},
	{"mgr", 1, 1, control_run_manager},
	{"ban", 1, 3, control_run_ban},
	{"peer", 1, 3, control_run_peer},
	{"trace", 0, CONTROL_MAX_WORDS - 1, control_run_trace},
	{"why", 1, CONTROL_MAX_WORDS - 1, control_run_why},
};

const struct control_verb *control_verb_find(struct str name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_eq(name, str_of(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

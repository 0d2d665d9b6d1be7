/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb health: what does not work as configured. It fails when there is something. */
#include "lib/base/heap.h"
#include "proxy/control/control_verbs.h"
#include "proxy/manager/health.h"

void control_run_health(struct control_call *call)
{
	struct health_entry *entries = mem_array(HEALTH_MAX_SHOWN, sizeof(*entries));
	size_t n = health_list(entries, HEALTH_MAX_SHOWN);
	char line[HEALTH_LINE_BYTES];

	for (size_t i = 0; i < n; i++)
		control_say_str(call, health_line(&entries[i], line));
	mem_free(entries);
	if (n > 0) {
		control_fail(call, "degraded: %zu", n);
		return;
	}
	control_say(call, "all is well");
	control_end(call);
}

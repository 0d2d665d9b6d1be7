/* SPDX-License-Identifier: BSD-2-Clause */
/* What does not work as configured (ours: Squid has no such page). */
#include "lib/base/heap.h"
#include "proxy/manager/health.h"
#include "proxy/manager/manager_pages.h"

bool manager_write_health(struct manager_page *page)
{
	struct health_entry *entries = mem_array(HEALTH_MAX_SHOWN, sizeof(*entries));
	size_t n = health_list(entries, HEALTH_MAX_SHOWN);
	char line[HEALTH_LINE_BYTES];

	if (n == 0)
		buf_add_str(page->out, STR("all is well\n"));
	for (size_t i = 0; i < n; i++) {
		buf_add_str(page->out, health_line(&entries[i], line));
		buf_add_char(page->out, '\n');
	}
	mem_free(entries);
	return false;
}

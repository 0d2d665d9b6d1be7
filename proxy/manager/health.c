/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/health.h"

#include <stdio.h>
#include <time.h>

#include "lib/base/clock.h"

struct str health_line(const struct health_entry *entry, char line[HEALTH_LINE_BYTES])
{
	time_t since_s = (time_t)(clock_wall_of(entry->since_us) / 1000000);
	struct tm parts;
	char since[32];

	gmtime_r(&since_s, &parts);
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &parts);
	snprintf(line, HEALTH_LINE_BYTES, "%s: %s (since %s)", entry->what, entry->reason, since);
	return str_of(line);
}

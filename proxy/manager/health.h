/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/health.h: what lib/base/health.h knows, as `bobtailctl health` and the manager's
 * page show it. Any thread. */
#ifndef PROXY_HEALTH_H
#define PROXY_HEALTH_H
#include "lib/base/health.h"
#include "lib/base/str.h"

enum {
	HEALTH_MAX_SHOWN = 256,
	HEALTH_LINE_BYTES = HEALTH_WHAT_BYTES + HEALTH_REASON_BYTES + 64,
};

/* "WHAT: REASON (since 2026-11-22T06:00:00Z)" in line. */
struct str health_line(const struct health_entry *entry, char line[HEALTH_LINE_BYTES]);

#endif

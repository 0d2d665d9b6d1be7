/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/missing_ports.h: the ports that could not be opened, for `bobtailctl health`
 * (lib/base/health.h). Who opens them tries again every PORT_RETRY_MS, and may be another process
 * (proxy/process/broker.h).
 *
 * Threads: one. */
#ifndef PROXY_MISSING_PORTS_H
#define PROXY_MISSING_PORTS_H
#include "lib/base/list.h"
#include "lib/base/str.h"

enum { PORT_RETRY_MS = 2000 };

struct missing_ports {
	struct list notes_;
};

void missing_ports_init(struct missing_ports *missing);
void missing_ports_fini(struct missing_ports *missing);

/* All that are missing now: a line for each, "http_port 127.0.0.1:80\tREASON". One that was missing
 * before keeps its time. */
void missing_ports_set(struct missing_ports *missing, struct str lines);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_services.h: the way from Squid to Bobtail, and back, where both are
 * services of systemd. One thread's; for root. */
#ifndef PROXY_CTL_TAKEOVER_SERVICES_H
#define PROXY_CTL_TAKEOVER_SERVICES_H
#include <stdbool.h>

struct config;

/* Is Squid a service that runs? */
bool takeover_is_service(void);

/* Bobtail's service, which is configured by the file to, starts beside the running Squid (squid:
 * its configuration), gets the new connections, and then Squid's service ends. A status for exit.
 * is_dry: it is only said. */
int takeover_services_forth(const struct config *squid, const char *to, bool is_dry);

/* The same the other way round. Where Squid's service cannot be traced, one starts when the other
 * has ended. */
int takeover_services_back(const struct config *squid, const char *to, bool is_dry);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/takeover/takeover_units.h: units of systemd, asked and told by systemctl. One thread's;
 * for root. */
#ifndef PROXY_CTL_TAKEOVER_TAKEOVER_UNITS_H
#define PROXY_CTL_TAKEOVER_TAKEOVER_UNITS_H
#include <stdbool.h>

bool units_are_there(void); /* Is the system systemd's? */
bool unit_is_active(const char *unit);

/* A status for exit, and stderr has why. Also at the next boot; one that runs is started anew, and
 * stop waits for the end. */
int unit_start(const char *unit);
int unit_stop(const char *unit);

/* In the environment of what is started, until forgotten. */
bool units_set(const char *variable);
void units_forget(const char *name);

/* The next start of the unit is that of before (a path and its options) with the unit's own command
 * line as more words behind it. False: that line cannot be written again, or there is none; nothing
 * has changed then. */
bool unit_start_by(const char *unit, const char *before);
void unit_start_as_before(const char *unit);
/* How the unit's main process ended; -1: unknown. */
int unit_exit_status(const char *unit);

#endif

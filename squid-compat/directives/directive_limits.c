/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of the directives that say how much is too much: they join those with the snapshot. */
#include "squid-compat/ban_lines.h"
#include "squid-compat/rate_limits.h"
#include "squid-compat/reading.h"

void parse_ban(struct reading *reading, const struct directive *directive,
               const struct words *words)
{
	(void)directive;
	ban_lines_parse(reading->config->bans, reading->config->acls, words, reading->report);
}

void parse_rate_limit(struct reading *reading, const struct directive *directive,
                      const struct words *words)
{
	(void)directive;
	rate_limit_lines_parse(reading->config->rate_limits, words, reading->report);
}

void parse_rate_limit_access(struct reading *reading, const struct directive *directive,
                             const struct words *words)
{
	(void)directive;
	rate_limit_lines_parse_access(reading->config->rate_limits, reading->config->acls, words,
	                              reading->report);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of the directives that limit rates: they join delay_pools.c with the snapshot. */
#include "squid-compat/delay_pools.h"
#include "squid-compat/reading.h"

void parse_delay_pools(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	(void)directive;
	delay_parse_pools(reading->config->delays, false, words, reading->report);
}

void parse_client_delay_pools(struct reading *reading, const struct directive *directive,
                              const struct words *words)
{
	(void)directive;
	delay_parse_pools(reading->config->delays, true, words, reading->report);
}

void parse_delay_class(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	(void)directive;
	delay_parse_class(reading->config->delays, words, reading->report);
}

void parse_delay_parameters(struct reading *reading, const struct directive *directive,
                            const struct words *words)
{
	(void)directive;
	delay_parse_parameters(reading->config->delays, words, reading->report);
}

void parse_client_delay_parameters(struct reading *reading, const struct directive *directive,
                                   const struct words *words)
{
	(void)directive;
	delay_parse_client_parameters(reading->config->delays, words, reading->report);
}

void parse_delay_access(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	(void)directive;
	delay_parse_access(reading->config->delays, false, reading->config->acls, words,
	                   reading->report);
}

void parse_client_delay_access(struct reading *reading, const struct directive *directive,
                               const struct words *words)
{
	(void)directive;
	delay_parse_access(reading->config->delays, true, reading->config->acls, words,
	                   reading->report);
}

void parse_delay_level(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	(void)directive;
	delay_parse_level(reading->config->delays, false, words, reading->report);
}

void parse_client_delay_level(struct reading *reading, const struct directive *directive,
                              const struct words *words)
{
	(void)directive;
	delay_parse_level(reading->config->delays, true, words, reading->report);
}

void parse_response_delay_pool(struct reading *reading, const struct directive *directive,
                               const struct words *words)
{
	(void)directive;
	delay_parse_response_pool(reading->config->delays, &reading->config->arena_, words,
	                          reading->report);
}

void parse_response_delay_access(struct reading *reading, const struct directive *directive,
                                 const struct words *words)
{
	(void)directive;
	delay_parse_response_access(reading->config->delays, reading->config->acls, words,
	                            reading->report);
}

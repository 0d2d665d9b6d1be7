/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/config_internal.h: between config.c (a file, read) and config_finish.c (what is done
 * once all of it is known). */
#ifndef SQUID_COMPAT_CONFIG_INTERNAL_H
#define SQUID_COMPAT_CONFIG_INTERNAL_H
#include "squid-compat/reading.h"

/* Behind the last line: fills in what depends on the system or on other directives, seals what
 * modules have gathered, and says what only the whole file shows to be wrong. */
void config_finish(struct reading *reading);

#endif

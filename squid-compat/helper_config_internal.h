/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/helper_config_internal.h: what the helper directives of all families have in
 * common. */
#ifndef SQUID_COMPAT_HELPER_CONFIG_INTERNAL_H
#define SQUID_COMPAT_HELPER_CONFIG_INTERNAL_H
#include "squid-compat/helper_config.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

enum { HELPER_MAX_CONCURRENCY = 1000000 };

/* PATH [args] from word first on: without a shell, and with quotes that mean nothing unless
 * configuration_includes_quoted_values is on. "none" is no command. */
void helper_read_command(struct helper_command *command, const struct words *words, size_t first,
			 struct arena *arena, struct report *report);
/* An error if the program cannot be run; a bundled one takes its place (in argv) if there is
 * one. */
void helper_check_command(const struct helper_command *command, const char *name,
			  const struct world *world, struct arena *arena, struct report *report);

/* The value of on-error=; false: none of its words, of which each directive takes some. */
bool helper_read_on_error(struct str value, struct helper_children *children);

void helper_children_init(struct helper_children *children);
/* N [option=value ...] from word first on. */
void helper_read_children(struct helper_children *children, const struct words *words,
			  size_t first, struct report *report);

/* The quoted text at word i, or the line from there on. */
struct str helper_quoted_or_rest(const struct words *words, size_t i);
/* A format likewise; NULL: an empty one, or a bad one (said). */
const struct logformat *helper_read_extras(const struct words *words, size_t i,
					   struct arena *arena, struct report *report);

#endif

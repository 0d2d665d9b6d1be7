/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/config_show.h: the configuration as it counts: for each directive of the table its
 * value, and where that was said. Any thread. */
#ifndef SQUID_COMPAT_CONFIG_SHOW_H
#define SQUID_COMPAT_CONFIG_SHOW_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "squid-compat/config.h"
#include "squid-compat/directives/directives.h"

/* Line i of what is shown, from 0 on: `DIRECTIVE VALUE` and, apart by a tab, "# FILE:LINE" or
 * "# default". Lines that a later one replaced are left out, and so are directives that have no
 * effect here and were not said. hides_secrets: passwords are shown as "********", and a line of
 * more than 64 KiB is cut. Appends the line with its LF to out; the cursor, zeroed at first, goes
 * on to the next one. False: there is none, and nothing was added. */
struct config_cursor {
	size_t directive;
	const struct config_line *line; /* the next of directive's; NULL: not begun */
};
bool config_show_next(const struct config *config, struct config_cursor *cursor,
		      bool hides_secrets, struct buf *out);

/* Word i of a line of the directive (0: its name) is or holds a password. */
bool config_has_secret(const struct directive *directive, unsigned i, struct str word);

#endif

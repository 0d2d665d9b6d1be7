/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/common/pattern.h: a regular expression (PCRE2, as Perl's) and the text that
 * stands for what it fits.
 *
 * Threads: one. */
#ifndef BUNDLED_COMMON_PATTERN_H
#define BUNDLED_COMMON_PATTERN_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct pattern; /* opaque */

/* regex is copied. NULL and why if it is none. */
struct pattern *pattern_create(const char *regex, struct err_text *why);
void pattern_destroy(struct pattern *pattern); /* accepts NULL */

/* Does it fit text somewhere? A search that takes too many steps comes to false. */
bool pattern_fits(struct pattern *pattern, struct str text);

/* Adds replacement to out, where $1 ... $9 and ${NAME} stand for the groups of the last fit in
 * text. Groups that the pattern lacks stay as they are written. */
void pattern_expand(const struct pattern *pattern, struct str text, const char *replacement,
                    struct buf *out);

#endif

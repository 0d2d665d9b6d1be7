/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/word_cutter.h: cuts a line into words as Squid does, in its two ways.
 *
 * configuration_includes_quoted_values off: words are apart by blanks; a word that begins with a
 * quote reaches to the next such quote and is taken for the name of a file (is_file); whoever wants
 * no file takes its text. In acl and refresh_pattern lines "\\ " is a part of the word. On: "..."
 * and '...' are strings with escapes (is_quoted), parameters("FILE") names a file. In both, # at
 * the beginning of a word ends the line. Threads: one a cutter. */
#ifndef SQUID_COMPAT_WORD_CUTTER_H
#define SQUID_COMPAT_WORD_CUTTER_H
#include <stdbool.h>

#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct word_cutter; /* opaque */

struct word_cutter *word_cutter_create(void);
void word_cutter_destroy(struct word_cutter *cutter);

/* False: the line cannot be used, and the report says why. What *out points to is valid until the
 * next cut or the cutter's end, and as long as line. A line of a comment alone has no words. */
bool word_cutter_cut(struct word_cutter *cutter, struct str line, bool quoted_values,
                     struct words *out, struct report *report);

#endif

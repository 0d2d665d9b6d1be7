/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/words.h: one directive line, cut into words as Squid cuts them.
 *
 * Borrowed: valid while the line is being handled; a handler copies what it keeps. words.at[0] is
 * the directive's name. */
#ifndef SQUID_COMPAT_WORDS_H
#define SQUID_COMPAT_WORDS_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct word {
	struct str text; /* quotes and escapes already resolved where they mean something */
	size_t raw_at;   /* where it begins in line */
	bool is_quoted;  /* came as "..." or '...' (configuration_includes_quoted_values on) */
	bool is_file;    /* names a file with values: "FILE" of an ACL, or parameters("FILE") */
};

struct words {
	struct str line; /* the whole line, continuations joined, macros resolved */
	const struct word *at;
	size_t n;
	bool quoted_values; /* configuration_includes_quoted_values at this line */
};

/* The line from word i on, as written (logformat, err_html_text); empty when there is none. */
struct str words_rest(const struct words *words, size_t i);

/* The text of word i, STR_NONE beyond the last. */
struct str words_text(const struct words *words, size_t i);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/directives/directives.h: THE table: every directive that Squid 5 to 7 knows, and old
 * ones that configurations still hold, each with what Bobtail makes of it.
 *
 * Parser, defaults, -k parse and the manual walk it: `make docs` writes docs/COMPATIBILITY.md,
 * docs/squid.conf.md and bobtail.conf(5). Constant; any thread. */
#ifndef SQUID_COMPAT_DIRECTIVES_H
#define SQUID_COMPAT_DIRECTIVES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

enum verdict {
	HONOURED, /* does what Squid does with it */
	ACCEPTED, /* read and checked; has no effect here, by design */
	WARNED,   /* for forward proxies: ignored with a warning */
	REFUSED,  /* ignoring it would open a hole: fatal */
	OBSOLETE, /* Squid's "Directive 'X' is obsolete.", ignored */
	/* the same, or unknown to Squid by now; yet it is honoured, in words of today */
	TRANSLATED,
	UNKNOWN,  /* gone so long that Squid does not know it: unrecognized, with a hint */
	VERDICTS
};

/* What a line that is the directive's name alone comes to. */
enum bare {
	BARE_IS_PARSED, /* parse says */
	BARE_IS_FATAL,  /* Squid: bungled */
	BARE_IS_IGNORED,
};

struct reading; /* reading.h: a configuration that is being read */
struct words;   /* words.h */
struct directive;

/* Handles one line of its directive. */
typedef void directive_fn(struct reading *reading, const struct directive *directive,
                          const struct words *words);

struct directive {
	const char *name;
	const char *aliases; /* apart by blanks; NULL: none */
	const char *syntax;
	/* The value it has without a line, as one would write it: read by parse before the file. */
	const char *otherwise;
	enum verdict verdict;
	enum bare bare;
	directive_fn *parse; /* NULL: any words will do */
	size_t slot;         /* where in struct config; 0: nowhere */
	int64_t min, max;    /* of integers, when not both 0 */
	const char *const
		*choices; /* of parse_choice: NULL-terminated; the index goes into the slot */
	/* What it is for, with "(ours)" behind it if Squid does not know it; or why it has no
	 * effect, or what to write instead. */
	const char *help;
};

/* By name or alias, which are case-sensitive; NULL: none. */
const struct directive *directive_find(struct str name);

/* The name or alias that name was probably meant to be: at most two letters are other ones, too
 * many, missing, or changed places. STR_NONE: none is that near. */
struct str directive_nearest(struct str name);

/* The last line of it is the one that counts. */
bool directive_is_single(const struct directive *directive);

/* Its place in the table, from 0 on: directive_at(directive_number(d)) == d. */
size_t directive_number(const struct directive *directive);

/* The i-th row of the table, in its order; NULL behind the last. */
const struct directive *directive_at(size_t i);

/* Why one that is not honoured is not, or what happens instead; never NULL. */
const char *directive_reason(const struct directive *directive);

/* The heading that it stands under in the reference; rows of one heading are neighbours. */
const char *directive_family(const struct directive *directive);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/regex.h: the regular expressions of squid.conf: POSIX ERE in glibc's meaning, run by
 * PCRE2 (by its JIT where the system lets memory be executable, else by its interpreter).
 *
 * A pattern is translated construct by construct, so that nothing keeps a meaning that only Perl
 * gives it. Matching is an unanchored search; bytes, no UTF; ASCII case folding.
 * Threads: compiled things are immutable and shared. A match takes its scratch memory from the
 * thread that runs it (made at the thread's first match, freed when it ends). */
#ifndef SQUID_COMPAT_REGEX_H
#define SQUID_COMPAT_REGEX_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum {
	REGEX_NOCASE = 1,
	REGEX_MAX_PATTERN_BYTES = 16 * 1024,
};

enum regex_verdict {
	REGEX_NO,
	REGEX_YES,
	REGEX_UNDECIDED, /* the match limit was hit; said in the log, at most once a minute */
};

/* Appends the PCRE2 spelling of an ERE to out. False, and why says it, if glibc refuses it, or it
 * is longer than REGEX_MAX_PATTERN_BYTES. flags as for regex_compile (brackets need them). */
bool regex_translate(struct str ere, unsigned flags, struct buf *out, struct err_text *why);

/* True if the pattern has an escape such as \d or \t, whose letter stands for itself in an ERE. */
bool regex_has_perl_escape(struct str ere);

struct regex; /* one pattern; opaque */

/* NULL, and why says it, for a pattern that glibc refuses. flags: 0 or REGEX_NOCASE. */
struct regex *regex_compile(struct str ere, unsigned flags, struct err_text *why);
void regex_destroy(struct regex *regex);
enum regex_verdict regex_match(const struct regex *regex, struct str subject);

struct regex_list; /* patterns of which any may match; opaque */

struct regex_list *regex_list_create(void);
void regex_list_destroy(struct regex_list *list);

/* False, why says it and the list is as before, for a pattern that glibc refuses. */
bool regex_list_add(struct regex_list *list, struct str ere, unsigned flags, struct err_text *why);

/* Adds what from, which is not sealed, has. */
void regex_list_add_all(struct regex_list *list, const struct regex_list *from);
/* Each of its patterns is "^" and plain bytes. Before it is sealed. */
bool regex_list_has_prefixes_only(const struct regex_list *list);

/* Compiles what was added, as few programs as hold it. Once, before the first match. */
void regex_list_seal(struct regex_list *list);
enum regex_verdict regex_list_match(const struct regex_list *list, struct str subject);
size_t regex_list_count(const struct regex_list *list);

#endif

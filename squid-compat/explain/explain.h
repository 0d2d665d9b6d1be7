/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/explain/explain.h: what becomes of each line of a squid.conf: `bobtailctl explain`.
 *
 * The file is read as for a start, without the start; each line gets a class, the sentences that
 * say why, and what to write today. Then the rules are looked at as a whole for what nobody can
 * have meant (explain_rules.c): a warning is given only where it is sure that what it says is so.
 * One thread's. */
#ifndef SQUID_COMPAT_EXPLAIN_H
#define SQUID_COMPAT_EXPLAIN_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "squid-compat/source.h"

struct directive;

/* From best to worst. */
enum explain_class {
	EXPLAIN_SAME,     /* works the same */
	EXPLAIN_HARMLESS, /* has no effect, and nobody misses it */
	EXPLAIN_DIFFERS,  /* works, in another way */
	EXPLAIN_IGNORED,  /* ignored, or a part of it is: the proxy behaves otherwise */
	EXPLAIN_REFUSED,  /* the configuration cannot be used because of it */
	EXPLAIN_CLASSES
};

/* A word for each: "same", "harmless" ...; and a few more. */
const char *explain_class_name(enum explain_class what);
const char *explain_class_text(enum explain_class what);

struct explain_remark {
	bool is_warning; /* a likely mistake of whoever wrote the file */
	const char *text;
	struct explain_remark *next;
};

/* Of all words of a line its text, and whether it names a file of values. */
struct explain_word {
	struct str text;
	bool is_file;
};

struct explain_line {
	const char *file; /* NULL: about the whole */
	int number;       /* of its first line in file */
	unsigned depth; /* of includes; of a line that begins a file (is_file), that of the file */
	bool is_file;     /* no line: `file` begins here */
	const char *text; /* continuations joined, macros filled in; cut after 8191 bytes */
	struct explain_word *words;
	size_t nwords;
	const struct directive *directive; /* NULL: unknown, or include */
	enum explain_class what;
	bool has_file_fault; /* refused for what is not on this machine: a name, a certificate */
	struct explain_remark *remarks;
};

struct explanation {
	struct arena arena;
	struct explain_line *lines; /* in the order they were read */
	size_t nlines;
	bool is_read; /* the file itself could be opened */
	/* private */
	size_t room_;
};

/* source NULL: the disk. */
void explain_read(struct explanation *explanation, const char *path, const struct source *source,
		  const char *service_name);
void explain_fini(struct explanation *explanation);

/* How many lines are of a class, and how many warnings there are. */
size_t explain_count(const struct explanation *explanation, enum explain_class what);
size_t explain_warnings(const struct explanation *explanation);
/* EXPLAIN_SAME for an empty file. */
enum explain_class explain_worst(const struct explanation *explanation);

/* ---- explain_upgrade.c: the same configuration as Squid 7 has it ---- */

/* The lines to write instead of line i, each with its LF, and why in *why (NULL: nothing to say).
 * False: it may stay as it is. Nothing in out: it has to go. */
bool explain_replacement(const struct explanation *explanation, size_t i, struct buf *out,
			 const char **why);

/* The whole file with its includes written out: comments and order kept, what was replaced as a
 * comment above. why has the sentence if that is not possible. */
enum err explain_upgrade(const struct explanation *explanation, const struct source *source,
			 struct buf *out, struct err_text *why);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/explain/explain_internal.h: what the files of explain share. */
#ifndef SQUID_COMPAT_EXPLAIN_INTERNAL_H
#define SQUID_COMPAT_EXPLAIN_INTERNAL_H
#include "squid-compat/explain/explain.h"

/* Adds a remark to a line: a warning, or what is worth knowing. */
void explain_remark(struct explanation *explanation, struct explain_line *line, bool is_warning,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Does a message say that its line does nothing, in Squid either? */
bool explain_is_useless(const char *text);

/* The text of word i; STR_NONE beyond the last. */
struct str explain_word(const struct explain_line *line, size_t i);

/* explain_rules.c: warns of what nobody can have meant. */
void explain_rules(struct explanation *explanation);

/* ---- explain_acls.c: the ACLs of the file, as sets of values ---- */

struct explain_acl {
	struct str name, type;
	size_t first_line;  /* where it is defined first */
	struct str *values; /* of all its lines */
	size_t nvalues, room;
	bool is_opaque; /* has flags, files, or more than can be compared: only its name counts */
	bool is_everything; /* matches always */
	bool is_used;
};

struct explain_acls {
	struct arena *arena;
	struct explain_acl *at;
	size_t n, room;
};

void explain_acls_init(struct explain_acls *acls, struct explanation *explanation);
void explain_acls_fini(struct explain_acls *acls);
struct explain_acl *explain_acls_find(const struct explain_acls *acls, struct str name);

/* "[!]NAME" of a rule. */
struct explain_term {
	const struct explain_acl *acl;
	bool is_negated;
};

/* Sure answers only: false means that it is not known. */
bool explain_term_is_always(struct explain_term term); /* matches every request */
bool explain_term_is_never(struct explain_term term);  /* matches none */
bool explain_term_implies(struct explain_term a, struct explain_term b); /* where a does, b does */
bool explain_acls_exclude(const struct explain_acl *a, const struct explain_acl *b); /* no request matches both */

/* ".b.c" covers itself and all that ends in it, "b.c" itself alone. */
bool explain_domain_covers(struct str domain, struct str name);

#endif

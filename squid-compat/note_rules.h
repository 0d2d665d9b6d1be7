/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/note_rules.h: `note KEY VALUE [[!]ACL...]`: marks that a transaction gets as it is
 * logged. A "VALUE" in quotes is a logformat, any other one is taken as it is.
 * Threads: built by one, immutable and shared after that. Points into the ACL set. */
#ifndef SQUID_COMPAT_NOTE_RULES_H
#define SQUID_COMPAT_NOTE_RULES_H
#include "squid-compat/acl/acl.h"
#include "squid-compat/log/log_facts.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct note_rules; /* opaque */

struct note_rules *note_rules_create(void);
void note_rules_destroy(struct note_rules *rules);
/* note NAME VALUE [[!]ACL...]; what is wrong is said to report. */
void note_rules_parse(struct note_rules *rules, struct acl_set *set, const struct words *words,
		      struct report *report);
bool note_rules_is_empty(const struct note_rules *rules);

/* Adds the notes whose ACLs match to facts->notes (not NULL). */
void note_rules_apply(const struct note_rules *rules, struct acl_facts *facts,
		      const struct log_facts *log_facts);

#endif

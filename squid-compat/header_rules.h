/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/header_rules.h: which header fields pass, are replaced or added:
 * {request,reply}_header_access, _replace and _add. One struct for each direction.
 *
 * A field's own access list decides; a field without one falls to `Other` if its name is in no
 * table of ours, then to `All`, and passes when there is none. All lists are fast.
 * Threads: built by one, immutable and shared after that. Points into the ACL set. */
#ifndef SQUID_COMPAT_HEADER_RULES_H
#define SQUID_COMPAT_HEADER_RULES_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/http/message.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct header_rules; /* opaque */

struct header_rules *header_rules_create(void);
void header_rules_destroy(struct header_rules *rules);

/* `X_header_access NAME|All|Other allow|deny [!]ACL...` */
void header_rules_parse_access(struct header_rules *rules, struct acl_set *set,
                               const struct words *words, struct report *report);
/* `X_header_replace NAME TEXT`: what a denied field becomes. */
void header_rules_parse_replace(struct header_rules *rules, const struct words *words,
                                struct report *report);
/* `X_header_add NAME "FORMAT" [[!]ACL...]`; a FORMAT that logformat_compile refuses is fatal. */
void header_rules_parse_add(struct header_rules *rules, struct acl_set *set,
                            const struct words *words, struct report *report);

/* The value at word 2, which may be in quotes even where quotes mean nothing else, without them and
 * with its escapes resolved; *next is the first word behind it. False: too long, or the closing
 * quote is missing. */
bool header_format_parse(const struct words *words, struct buf *out, size_t *next);

/* No access list at all (NULL included): every field passes as it is. */
bool header_rules_is_empty(const struct header_rules *rules);

/* May the field pass? If not, *replacement is the value to send in its place, or STR_NONE (it is
 * left out). Lives as long as the rules. */
bool header_rules_allows(const struct header_rules *rules, enum http_field_id id, struct str name,
                         struct acl_facts *facts, struct str *replacement);

struct header_addition {
	struct str name;
	struct str format; /* a logformat, quotes removed and escapes resolved */
	const struct acl_condition *condition;
};
size_t header_rules_nadditions(const struct header_rules *rules); /* NULL: 0 */
const struct header_addition *header_rules_addition(const struct header_rules *rules, size_t i);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/upgrade_rules.h: `http_upgrade_request_protocols PROTOCOL allow|deny [!]ACL...`:
 * which of the protocols that a client offers in Upgrade are offered to the origin. RFC 9110 §7.8.
 *
 * PROTOCOL is NAME, NAME/VERSION or OTHER. For an offer the rules that name it are looked at, in
 * the order of the file: those without a version, and those with the offer's own. Only if none
 * names it, in any version, those of OTHER are. The first one whose ACLs match decides; without one
 * the offer is dropped. Names are compared without case (RFC 9110; Squid minds it). Threads: built
 * by one, immutable and shared after that. Points into the ACL set. */
#ifndef SQUID_COMPAT_UPGRADE_RULES_H
#define SQUID_COMPAT_UPGRADE_RULES_H
#include <stdbool.h>

#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct acl_facts;
struct acl_set;
struct upgrade_rules; /* opaque */

struct upgrade_rules *upgrade_rules_create(void);
void upgrade_rules_destroy(struct upgrade_rules *rules); /* accepts NULL */
bool upgrade_rules_is_empty(const struct upgrade_rules *rules);

/* One line. What cannot be used is said to report and left out. */
void upgrade_rules_parse(struct upgrade_rules *rules, struct acl_set *set,
                         const struct words *words, struct report *report);

/* offer: NAME or NAME/VERSION. */
bool upgrade_rules_allow(const struct upgrade_rules *rules, struct str offer,
                         struct acl_facts *facts);

#endif

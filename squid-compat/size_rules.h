/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/size_rules.h: sizes that depend on the request: `range_offset_limit SIZE|none
 * [ACL...]` and reply_body_max_size. Threads: built by one, immutable and shared after that. */
#ifndef SQUID_COMPAT_SIZE_RULES_H
#define SQUID_COMPAT_SIZE_RULES_H
#include <stdbool.h>
#include <stdint.h>

#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct acl_facts;
struct acl_set;
struct size_rules; /* opaque */

struct size_rules *size_rules_create(void);
bool size_rules_is_empty(const struct size_rules *rules);
void size_rules_destroy(struct size_rules *rules); /* accepts NULL */

/* One line, from word 1 on. A line that cannot be used is said to report and left out. */
void size_rules_parse(struct size_rules *rules, struct acl_set *set, const struct words *words,
                      struct report *report);

/* Of the first line whose ACLs all match; otherwise if none does. VALUE_UNLIMITED: none. */
int64_t size_rules_find(const struct size_rules *rules, struct acl_facts *facts, int64_t otherwise);

#endif

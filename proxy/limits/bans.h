/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/bans.h: ban at work: what a client did is counted, and who did it too often is shut
 * out.
 *
 * Threads: any; the lines are immutable, counters atomic. */
#ifndef PROXY_BANS_H
#define PROXY_BANS_H
#include <stdbool.h>
#include <stdint.h>

struct access_list;
struct acl_facts;
struct addr;
struct ban_lines;
struct ban_table;
struct bans; /* opaque: the lines of one configuration, with fresh counters */

/* NULL: there is no line. lines, exempt (whom no line bans; NULL: nobody) and table live longer. */
struct bans *bans_create(const struct ban_lines *lines, const struct access_list *exempt,
                         struct ban_table *table);
void bans_destroy(struct bans *bans); /* accepts NULL */

/* A request has ended. has_failed_login: it had credentials that were refused. now_ms is
 * monotonic, now_s the wall clock. */
void bans_count(struct bans *bans, struct acl_facts *facts, bool has_failed_login, int64_t now_ms,
                int64_t now_s);

/* May that address not be banned, as far as its number tells? */
bool bans_exempts(const struct access_list *exempt, const struct addr *addr);

#endif

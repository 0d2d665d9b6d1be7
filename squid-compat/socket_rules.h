/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/socket_rules.h: what sockets get by the request that they serve:
 * tcp_outgoing_address, tcp_outgoing_tos, clientside_tos. Threads: built by one, immutable and
 * shared after that. */
#ifndef SQUID_COMPAT_SOCKET_RULES_H
#define SQUID_COMPAT_SOCKET_RULES_H
#include "lib/net/addr.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct acl_facts;
struct acl_set;
struct socket_rules; /* opaque */
struct world;

struct socket_rules *socket_rules_create(void);
void socket_rules_destroy(struct socket_rules *rules); /* accepts NULL */

/* One line, `DIRECTIVE IP|TOS [!]ACL...`. A line that cannot be used is said to report and left
 * out. */
void socket_rules_parse_address(struct socket_rules *rules, struct acl_set *set,
                                const struct words *words, const struct world *world,
                                struct report *report);
void socket_rules_parse_tos(struct socket_rules *rules, struct acl_set *set,
                            const struct words *words, struct report *report);

/* Of the first line of that family (AF_INET, AF_INET6) whose ACLs all match; NULL: there is
 * none. */
const struct addr *socket_rules_address(const struct socket_rules *rules, struct acl_facts *facts,
                                        int family);
/* Of the first line whose ACLs all match; 0: there is none. */
int socket_rules_tos(const struct socket_rules *rules, struct acl_facts *facts);

#endif

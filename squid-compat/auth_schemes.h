/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/auth_schemes.h: which authentication schemes a client is offered, in which order.
 * Squid: cf.data.pre, auth_schemes.
 * Threads: built by one thread, immutable afterwards. */
#ifndef SQUID_COMPAT_AUTH_SCHEMES_H
#define SQUID_COMPAT_AUTH_SCHEMES_H
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"

struct auth_schemes; /* opaque */

struct auth_schemes *auth_schemes_create(void);
void auth_schemes_destroy(struct auth_schemes *schemes); /* accepts NULL */

/* auth_schemes SCHEME,SCHEME...|ALL [!]ACL... ; fast ACLs only. */
void auth_schemes_parse(struct auth_schemes *schemes, struct acl_set *set,
                        const struct words *words, struct report *report);

/* The schemes that config makes usable: those of the first line that applies, else all in the order
 * in which auth_param first named them. Returns how many. */
size_t auth_schemes_offered(const struct auth_schemes *schemes, const struct auth_config *config,
                            struct acl_facts *facts, enum auth_kind out[AUTH_KINDS]);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/user_ips.h: at which addresses users were seen lately. Squid: max_user_ip,
 * authenticate_ip_ttl. Bounded: of many users or addresses the oldest are forgotten.
 * Threads: any; its locks are leaf locks. */
#ifndef PROXY_USER_IPS_H
#define PROXY_USER_IPS_H
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/net/addr.h"

struct user_ips; /* opaque */

enum { USER_IPS_MAX = 64 }; /* addresses of a user */

struct user_ips *user_ips_create(void);
void user_ips_destroy(struct user_ips *ips); /* accepts NULL */

/* The user is at addr now. How many addresses he has, this one among them; others count for ttl_ms
 * since they were last seen. now_ms: the monotonic clock. */
unsigned user_ips_note(struct user_ips *ips, struct str user, const struct addr *addr,
		       int64_t now_ms, int64_t ttl_ms);
/* Not at addr any more; NULL: nowhere. */
void user_ips_forget(struct user_ips *ips, struct str user, const struct addr *addr);

#endif

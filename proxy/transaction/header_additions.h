/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/header_additions.h: request_header_add and reply_header_add: fields that are
 * put behind all others where their ACLs match. Compiled once for a snapshot; immutable after that,
 * so any worker may write with it. */
#ifndef PROXY_HEADER_ADDITIONS_H
#define PROXY_HEADER_ADDITIONS_H
#include "lib/base/buf.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/log/log_facts.h"

struct header_additions; /* opaque */

/* NULL when the rules (which may be NULL) add nothing. A format that cannot be compiled is said in
 * the log and left out. rules must outlive it. */
struct header_additions *header_additions_create(const struct header_rules *rules);
void header_additions_destroy(struct header_additions *additions); /* accepts NULL */

/* Appends "NAME: VALUE\r\n" for each addition that applies. Values with control bytes are left out:
 * no value makes a second field. */
void header_additions_write(const struct header_additions *additions, struct acl_facts *acl_facts,
			    const struct log_facts *facts, struct buf *out);

#endif

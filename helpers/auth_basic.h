/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_basic.h: HTTP Basic credentials, checked by a helper and remembered. RFC 7617.
 *     ask:    USER SP PASS [SP extras], both escaped as RFC 1738 has it
 *     answer: OK | ERR [message=...]; anything else is a failure too
 * A success is kept for credentialsttl under the user's name (and the extras), with a MAC of the
 * password.
 *
 * Threads: auth_basic is shared by all workers; a query belongs to one loop. */
#ifndef HELPERS_AUTH_BASIC_H
#define HELPERS_AUTH_BASIC_H
#include "helpers/auth_users.h"

struct auth_basic; /* one configuration of it; opaque, counted */

struct auth_basic_config {
	struct helper_pool *pool; /* gets a reference of its own */
	struct auth_users *users; /* likewise */
	struct str realm;         /* at NULL: Squid's default */
	int64_t ttl_ms;           /* credentialsttl */
	int64_t idle_ms;          /* authenticate_ttl; 0: as long as ttl_ms */
	int64_t stale_ms; /* how long what has expired counts when no helper answers */
	bool is_case_sensitive;   /* casesensitive: else user names are folded to lower case */
	bool is_utf8; /* utf8: ISO 8859-1 is turned into UTF-8, and the challenge says so */
};

struct auth_basic *auth_basic_create(const struct auth_basic_config *config); /* any thread */
void auth_basic_destroy(struct auth_basic *auth); /* accepts NULL */

/* The value of WWW-Authenticate: `Basic realm="..."`, with `, charset="UTF-8"` for utf8. */
struct str auth_basic_challenge(const struct auth_basic *auth);

/* credentials: the value of an Authorization field. extras: key_extras, expanded ("" or at NULL:
 * none). Not sent to the helper but failed at once: another scheme, bad base64, no colon, an empty
 * user or password, CR, LF or NUL inside, too long. query->verdict is what it returns. */
enum auth_verdict auth_basic_check(struct auth_basic *auth, struct str credentials,
                                   struct str extras, struct auth_query *query);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_bearer.h: bearer tokens, checked by a helper and remembered. RFC 6750. Ours: Squid
 * has no such scheme.
 *     ask: TOKEN [SP extras]; a token has only letters, digits and -._~+/=, so nothing is escaped
 *     answer: OK user=NAME [ttl=SECONDS] ... | ERR [error=CODE] [message=...]
 * An OK without a user is a failure. It is kept for ttl seconds, or for credentialsttl if the
 * helper says none; under a MAC, so that no token lies in memory longer than its request. Failures
 * are not kept. error= goes into the challenge (insufficient_scope ...), else that says
 * invalid_token.
 *
 * Threads: auth_bearer is shared by all workers; a query belongs to one loop. */
#ifndef HELPERS_AUTH_BEARER_H
#define HELPERS_AUTH_BEARER_H
#include "helpers/auth_users.h"
#include "lib/base/buf.h"

struct auth_bearer; /* one configuration of it; opaque, counted */

struct auth_bearer_config {
	struct helper_pool *pool; /* gets a reference of its own */
	struct auth_users *users; /* likewise */
	struct str realm;         /* copied; at NULL: none is named */
	int64_t ttl_ms;           /* credentialsttl */
	int64_t stale_ms; /* how long what has expired counts when no helper answers */
};

struct auth_bearer *auth_bearer_create(const struct auth_bearer_config *config); /* any thread */
void auth_bearer_destroy(struct auth_bearer *auth); /* accepts NULL */

/* As auth_basic_check. Not sent to the helper: what is no token, and longer ones than
 * AUTH_MAX_BYTES. */
enum auth_verdict auth_bearer_check(struct auth_bearer *auth, struct str credentials,
                                    struct str extras, struct auth_query *query);

/* Adds the line `NAME: Bearer realm="..."` with CRLF; with `, error="..."` if a token was refused,
 * by answer (NULL: before any helper saw it). */
void auth_bearer_add_challenge(const struct auth_bearer *auth, struct str name, bool was_refused,
                               const struct auth_answer *answer, struct buf *out);

#endif

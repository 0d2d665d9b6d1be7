/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_digest.h: HTTP Digest credentials. RFC 7616; Squid: auth_param digest.
 *     ask:    "USER":"REALM" [SP extras]
 *     answer: OK ha1="HASH" [ha1-sha256="HASH"] | HASH | ERR [message=...]
 * HASH is MD5(USER:REALM:PASSWORD) in hex; ha1-sha256, of SHA-256, is ours. The response is
 * computed here. A hash is kept for authenticate_ttl; when a response does not fit one that was
 * kept, the helper is asked once more, as the password may have changed.
 *
 * MD5 alone is offered, or what `algorithms` says; qop is auth. Clients without qop (RFC 2069) may
 * use a nonce once. A good response to a nonce that is over gives is_stale.
 *
 * Threads: auth_digest is shared by all workers; a query belongs to one loop. */
#ifndef HELPERS_AUTH_DIGEST_H
#define HELPERS_AUTH_DIGEST_H
#include "helpers/auth_users.h"
#include "helpers/digest_fields.h"
#include "helpers/digest_nonce.h"
#include "lib/base/buf.h"

struct auth_digest; /* one configuration of it; opaque, counted */

struct auth_digest_config {
	struct helper_pool *pool;     /* gets a reference of its own */
	struct auth_users *users;     /* likewise */
	struct digest_nonces *nonces; /* likewise */
	struct str realm;             /* copied */
	int64_t ttl_ms;               /* authenticate_ttl */
	int64_t stale_ms; /* how long what has expired counts when no helper answers */
	struct digest_nonce_rules nonce_rules;
	unsigned algorithms;      /* 1 << enum digest_algorithm ...; 0: MD5 */
	bool is_utf8;             /* utf8: the challenge says charset="UTF-8" */
	bool has_post_workaround; /* a response computed with GET does for other methods */
};

struct auth_digest *auth_digest_create(const struct auth_digest_config *config); /* any thread */
struct auth_digest *auth_digest_ref(struct auth_digest *auth);
void auth_digest_unref(struct auth_digest *auth); /* accepts NULL */

/* The request that bears the credentials. */
struct auth_digest_request {
	struct str credentials; /* the value of its Authorization field */
	struct str method;
	struct str target; /* its request-target, as it came */
	struct str extras; /* key_extras, expanded */
};

/* query->verdict is what it returns. */
enum auth_verdict auth_digest_check(struct auth_digest *auth,
                                    const struct auth_digest_request *request,
                                    struct auth_query *query);

/* Adds field lines `NAME: Digest realm="...", nonce="...", ...` with CRLF, the strongest algorithm
 * first. now_ms: the monotonic clock. */
void auth_digest_add_challenge(struct auth_digest *auth, struct str name, bool is_stale,
                               int64_t now_ms, struct buf *out);

/* Adds the line `Authentication-Info: nextnonce="..."` with CRLF, for the reply to who used a nonce
 * for one of the last times that it is good for (query->is_nonce_ending). RFC 7616 §3.5; Squid
 * sends no more of it. */
void auth_digest_add_next_nonce(struct auth_digest *auth, int64_t now_ms, struct buf *out);

#endif

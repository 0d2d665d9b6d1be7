/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/bearer_jwt_auth/policy.h: whether a token lets its bearer in. RFC 7519 §4.1
 * (claims), §7.2 (steps); RFC 8725 (what goes wrong).
 *
 * Threads: one. */
#ifndef BEARER_JWT_AUTH_POLICY_H
#define BEARER_JWT_AUTH_POLICY_H
#include <stdint.h>

#include "helpers/bundled/bearer_jwt_auth/jwk.h"
#include "lib/base/buf.h"

enum { POLICY_NAMES = 16, POLICY_ANSWER_BYTES = 64 << 10 };

struct policy_names {
	const char *names[POLICY_NAMES];
	size_t n;
};

struct policy {
	struct policy_names issuers; /* one of them must be iss; none: any */
	struct policy_names
		audiences;          /* one of them must be in aud, if the token has one; "*": any */
	struct policy_names scopes; /* all of them must be in scope */
	struct policy_names notes;  /* claims that are passed on */
	const char *user_claim;
	int64_t leeway_s; /* how wrong clocks may be */
};

/* Adds the answer to token to out: OK user="..." ttl=N [NOTE="..."]... | ERR error=CODE
 * message="..." now_s: seconds since 1970. A token must have exp. */
void policy_judge(const struct policy *policy, struct json *json, const struct jwk_set *keys,
                  struct str token, int64_t now_s, struct buf *out);

#endif

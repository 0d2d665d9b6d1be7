/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/bearer_jwt_auth/jwk.h: keys, and what they signed. RFC 7517 (JWK set), RFC 7518
 * (algorithms), RFC 8037 (EdDSA).
 *
 * A key serves the algorithms of its kind only (an RSA key never is an HMAC secret), of these only
 * the one that its "alg" names, and none if it is meant for encryption. "none" is no algorithm.
 *
 * Threads: one. */
#ifndef BEARER_JWT_AUTH_JWK_H
#define BEARER_JWT_AUTH_JWK_H
#include "helpers/bundled/bearer_jwt_auth/json.h"

struct jwk_set; /* opaque */

/* Reads {"keys": [...]}. Keys that cannot be used are said on standard error, after source, and
 * left out. NULL and why if text is no such object. */
struct jwk_set *jwk_set_create(struct json *json, struct str text, const char *source,
                               struct err_text *why);
void jwk_set_destroy(struct jwk_set *set); /* accepts NULL */

/* Did a key of the set sign these bytes by alg? Keys with another id than kid (STR_NONE: any) do
 * not count. */
bool jwk_set_verify(const struct jwk_set *set, struct str alg, struct str kid, struct str bytes,
                    struct str signature);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/bearer_jwt_auth/jwt.h: a token in its three parts (RFC 7519; JWS compact
 * serialization, RFC 7515 §7.1).
 *     TOKEN = HEADER "." PAYLOAD "." SIGNATURE, each base64url without padding
 * Threads: any. */
#ifndef BEARER_JWT_AUTH_JWT_H
#define BEARER_JWT_AUTH_JWT_H
#include "lib/base/buf.h"

enum { JWT_MAX_BYTES = 32 << 10 };

struct jwt {
	struct buf header, payload, signature; /* decoded */
	struct str signed_part;                /* of the token: HEADER "." PAYLOAD */
};

/* False: it is none; nothing is held then. */
bool jwt_init(struct jwt *jwt, struct str token);
void jwt_fini(struct jwt *jwt);

/* Adds what text stands for to out. False if it is not base64url, in the one way of writing it. */
bool base64url_decode(struct str text, struct buf *out);

#endif

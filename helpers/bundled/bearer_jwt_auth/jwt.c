/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/bundled/bearer_jwt_auth/jwt.h"

#include <stdint.h>

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct str text, struct buf *out)
{
	uint32_t bits = 0;
	unsigned nbits = 0;

	for (size_t i = 0; i < text.len; i++) {
		int digit = digit_of(text.at[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t)digit) & 0xffff;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		buf_add_char(out, (char)(bits >> nbits));
	}
	/* a digit too many, or bits that no byte has */
	return nbits < 6 && (bits & ((1U << nbits) - 1)) == 0 && !out->is_full;
}

bool jwt_init(struct jwt *jwt, struct str token)
{
	struct str header, payload, signature, rest = token;

	buf_init(&jwt->header, JWT_MAX_BYTES);
	buf_init(&jwt->payload, JWT_MAX_BYTES);
	buf_init(&jwt->signature, JWT_MAX_BYTES);
	if (token.len <= JWT_MAX_BYTES && str_split(&rest, '.', &header) &&
	    str_split(&rest, '.', &payload) && str_split(&rest, '.', &signature) && rest.len == 0 &&
	    header.len + payload.len + signature.len + 2 == token.len &&
	    base64url_decode(header, &jwt->header) && base64url_decode(payload, &jwt->payload) &&
	    base64url_decode(signature, &jwt->signature)) {
		jwt->signed_part = str_first(token, header.len + 1 + payload.len);
		return true;
	}
	jwt_fini(jwt);
	return false;
}

void jwt_fini(struct jwt *jwt)
{
	buf_fini(&jwt->header);
	buf_fini(&jwt->payload);
	buf_fini(&jwt->signature);
}

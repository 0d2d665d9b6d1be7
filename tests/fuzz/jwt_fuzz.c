/* SPDX-License-Identifier: BSD-2-Clause */
/* Bearer tokens, with a key that is known to all, so that mutants get by once their MAC is mended:
 * the input is a header, a LF and claims. The same bytes are also a token, and a set of keys. */
#include "tests/fuzz/fuzz.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "helpers/bundled/bearer_jwt_auth/jwt.h"
#include "helpers/bundled/bearer_jwt_auth/policy.h"
#include "lib/base/check.h"

enum { NOW_S = 1700000000, MAC_BYTES = 32, MAX_BYTES = 8192 };

static const struct policy policy = {
	.issuers = {{"i"}, 1},
	.audiences = {{"a"}, 1},
	.scopes = {{"s"}, 1},
	.notes = {{"n", "aud"}, 2},
	.user_claim = "sub",
	.leeway_s = 30,
};

static void add_base64url(struct buf *out, const uint8_t *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t bit = 0; bit < 8 * len; bit += 6) {
		unsigned two = bytes[bit / 8] << 8 | (bit / 8 + 1 < len ? bytes[bit / 8 + 1] : 0);

		buf_add_char(out, digits[two >> (10 - bit % 8) & 63]);
	}
}

/* One line, and an OK names a user and a time. */
static void check_answer(struct str token, struct json *json, const struct jwk_set *keys)
{
	struct buf out;

	buf_init(&out, POLICY_ANSWER_BYTES);
	policy_judge(&policy, json, keys, token, NOW_S, &out);
	check(out.len > 0 && !memchr(out.at, '\n', out.len) && !memchr(out.at, '\0', out.len));
	if (str_starts_with(buf_str(&out), STR("OK")))
		check(str_starts_with(buf_str(&out), STR("OK user=\"")) &&
		      memmem(out.at, out.len, "\" ttl=", 6));
	else
		check(str_starts_with(buf_str(&out), STR("ERR error=")));
	buf_fini(&out);
}

static void check_signed(const uint8_t *bytes, size_t len, struct json *json,
                         const struct jwk_set *keys)
{
	static const char key[] = "ssssssssssssssssssssssssssssssss";
	const uint8_t *end = memchr(bytes, '\n', len);
	uint8_t mac[MAC_BYTES];
	struct buf token;

	if (!end)
		return;
	buf_init(&token, JWT_MAX_BYTES);
	add_base64url(&token, bytes, (size_t)(end - bytes));
	buf_add_char(&token, '.');
	add_base64url(&token, end + 1, len - (size_t)(end - bytes) - 1);
	check(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, MAC_BYTES, token.at, token.len, mac) == 0);
	buf_add_char(&token, '.');
	add_base64url(&token, mac, sizeof(mac));
	check_answer(buf_str(&token), json, keys);
	buf_fini(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct json *json; /* made once */
	static struct jwk_set *keys;
	static const char set[] = "{\"keys\":[{\"kty\":\"oct\",\"k\":"
				  "\"c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M\"}]}";
	struct str text = {(const char *)bytes, len};
	struct err_text why;

	if (len == 0 || len > MAX_BYTES)
		return 0;
	if (!json) {
		json = json_create(&why);
		check(json);
		keys = jwk_set_create(json, str_of(set), "keys", &why);
		check(keys);
	}
	check_answer(text, json, keys);
	check_signed(bytes, len, json, keys);
	jwk_set_destroy(jwk_set_create(json, text, "input", &why));
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A table of algorithms and one of curves; GnuTLS computes. */
#include "helpers/bundled/bearer_jwt_auth/jwk.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdio.h>

#include "helpers/bundled/bearer_jwt_auth/jwt.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { MAX_KEYS = 256, FIELD_BYTES = 16 << 10, MIN_RSA_BITS = 2048, MAX_MAC_BYTES = 64 };

enum kind { KIND_SECRET, KIND_RSA, KIND_CURVE, KIND_EDWARDS };

static const struct algorithm {
	const char *name;
	enum kind kind;
	gnutls_mac_algorithm_t mac;
	gnutls_sign_algorithm_t sign;
	gnutls_ecc_curve_t curve;
	unsigned bytes; /* a secret's least length; half of a signature by a curve */
} algorithms[] = {
	{"HS256", KIND_SECRET, GNUTLS_MAC_SHA256, 0, 0, 32},
	{"HS384", KIND_SECRET, GNUTLS_MAC_SHA384, 0, 0, 48},
	{"HS512", KIND_SECRET, GNUTLS_MAC_SHA512, 0, 0, 64},
	{"RS256", KIND_RSA, 0, GNUTLS_SIGN_RSA_SHA256, 0, 0},
	{"RS384", KIND_RSA, 0, GNUTLS_SIGN_RSA_SHA384, 0, 0},
	{"RS512", KIND_RSA, 0, GNUTLS_SIGN_RSA_SHA512, 0, 0},
	{"PS256", KIND_RSA, 0, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, 0, 0},
	{"PS384", KIND_RSA, 0, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, 0, 0},
	{"PS512", KIND_RSA, 0, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, 0, 0},
	{"ES256", KIND_CURVE, 0, GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_ECC_CURVE_SECP256R1, 32},
	{"ES384", KIND_CURVE, 0, GNUTLS_SIGN_ECDSA_SHA384, GNUTLS_ECC_CURVE_SECP384R1, 48},
	{"ES512", KIND_CURVE, 0, GNUTLS_SIGN_ECDSA_SHA512, GNUTLS_ECC_CURVE_SECP521R1, 66},
	{"EdDSA", KIND_EDWARDS, 0, GNUTLS_SIGN_EDDSA_ED25519, GNUTLS_ECC_CURVE_ED25519, 0},
	{"EdDSA", KIND_EDWARDS, 0, GNUTLS_SIGN_EDDSA_ED448, GNUTLS_ECC_CURVE_ED448, 0},
};

static const struct curve {
	const char *name;
	enum kind kind;
	gnutls_ecc_curve_t curve;
} curves[] = {
	{"P-256", KIND_CURVE, GNUTLS_ECC_CURVE_SECP256R1},
	{"P-384", KIND_CURVE, GNUTLS_ECC_CURVE_SECP384R1},
	{"P-521", KIND_CURVE, GNUTLS_ECC_CURVE_SECP521R1},
	{"Ed25519", KIND_EDWARDS, GNUTLS_ECC_CURVE_ED25519},
	{"Ed448", KIND_EDWARDS, GNUTLS_ECC_CURVE_ED448},
};

struct key {
	enum kind kind;
	gnutls_ecc_curve_t curve;
	gnutls_pubkey_t public; /* NULL: a secret's */
	struct buf secret;
	char *kid, *alg; /* NULL: any */
};

struct jwk_set {
	struct key keys[MAX_KEYS];
	size_t n;
};

/* ---- reading */

/* The members of a key that count, as texts. */
enum field { KTY, USE, ALG, KID, CRV, K, N, E, X, Y, NFIELDS };

struct fields {
	char *texts[NFIELDS]; /* NULL: it is not there */
};

static bool take_field(void *argument, const struct json_member *member)
{
	static const char *const names[NFIELDS] = {
		[KTY] = "kty", [USE] = "use", [ALG] = "alg", [KID] = "kid", [CRV] = "crv",
		[K] = "k",     [N] = "n",     [E] = "e",     [X] = "x",     [Y] = "y"};
	struct fields *fields = argument;

	for (size_t i = 0; i < NFIELDS; i++) {
		if (!str_eq(member->key, str_of(names[i])))
			continue;
		if (member->type != JSON_TEXT || member->value.len > FIELD_BYTES ||
		    fields->texts[i])
			return false;
		fields->texts[i] = str_dup(member->value);
	}
	return true;
}

static bool is_text(const char *text, const char *other)
{
	return text && strcmp(text, other) == 0;
}

/* The bytes of up to two fields as GnuTLS has them, until out is gone; false: they are missing or
 * no base64url. */
static bool decode_pair(const char *first, const char *second, struct buf out[2],
                        gnutls_datum_t data[2])
{
	const char *texts[2] = {first, second};

	for (size_t i = 0; i < 2; i++) {
		if (!texts[i])
			return false;
		if (!base64url_decode(str_of(texts[i]), &out[i]))
			return false;
		data[i] = (gnutls_datum_t){(unsigned char *)out[i].at, (unsigned)out[i].len};
	}
	return true;
}

/* A public key of two numbers; second is "" where there is but one. */
static bool import(struct key *key, const char *first, const char *second)
{
	struct buf bytes[2];
	gnutls_datum_t data[2];
	unsigned bits = 0;
	bool is_good;

	buf_init(&bytes[0], FIELD_BYTES);
	buf_init(&bytes[1], FIELD_BYTES);
	check(gnutls_pubkey_init(&key->public) == 0);
	is_good = decode_pair(first, second, bytes, data) && data[0].size > 0;
	if (is_good && key->kind == KIND_RSA)
		is_good = gnutls_pubkey_import_rsa_raw(key->public, &data[0], &data[1]) == 0 &&
		          gnutls_pubkey_get_pk_algorithm(key->public, &bits) >= 0 &&
		          bits >= MIN_RSA_BITS;
	else if (is_good)
		is_good = gnutls_pubkey_import_ecc_raw(key->public, key->curve, &data[0],
		                                       *second ? &data[1] : NULL) == 0;
	buf_fini(&bytes[0]);
	buf_fini(&bytes[1]);
	return is_good;
}

static const struct curve *curve_named(const char *name, enum kind kind)
{
	for (size_t i = 0; i < COUNT(curves); i++)
		if (is_text(name, curves[i].name) && curves[i].kind == kind)
			return &curves[i];
	return NULL;
}

static bool import_curve(struct key *key, const struct fields *fields, enum kind kind)
{
	const struct curve *curve = curve_named(fields->texts[CRV], kind);

	if (!curve || (kind == KIND_CURVE && !fields->texts[Y]))
		return false;
	key->kind = kind;
	key->curve = curve->curve;
	return import(key, fields->texts[X], kind == KIND_CURVE ? fields->texts[Y] : "");
}

static bool fill(struct key *key, const struct fields *fields)
{
	const char *kty = fields->texts[KTY];

	if (fields->texts[USE] && !is_text(fields->texts[USE], "sig"))
		return false;
	key->kid = mem_strdup(fields->texts[KID]);
	key->alg = mem_strdup(fields->texts[ALG]);
	if (is_text(kty, "oct")) {
		key->kind = KIND_SECRET;
		return fields->texts[K] && base64url_decode(str_of(fields->texts[K]), &key->secret);
	}
	if (is_text(kty, "RSA")) {
		key->kind = KIND_RSA;
		return fields->texts[E] && import(key, fields->texts[N], fields->texts[E]);
	}
	if (is_text(kty, "EC"))
		return import_curve(key, fields, KIND_CURVE);
	return is_text(kty, "OKP") && import_curve(key, fields, KIND_EDWARDS);
}

static void free_key(struct key *key)
{
	if (key->public)
		gnutls_pubkey_deinit(key->public);
	if (key->secret.len > 0)
		gnutls_memset(key->secret.at, 0, key->secret.len);
	buf_fini(&key->secret);
	mem_free(key->kid);
	mem_free(key->alg);
	*key = (struct key){0};
}

struct reading {
	struct json *json;
	struct jwk_set *set;
	const char *source;
	bool has_keys;
};

static bool take_key(void *argument, const struct json_member *member)
{
	struct reading *reading = argument;
	struct jwk_set *set = reading->set;
	struct fields fields = {0};
	struct key *key = &set->keys[set->n];

	if (set->n == MAX_KEYS)
		return false;
	buf_init(&key->secret, FIELD_BYTES);
	if (member->type == JSON_OBJECT &&
	    json_read(reading->json, member->value, JSON_OBJECT, take_field, &fields) &&
	    fill(key, &fields)) {
		set->n++;
	} else {
		fprintf(stderr, "%s: key %.*s cannot be used for signatures: left out\n",
		        reading->source, STR_ARG(member->key));
		free_key(key);
	}
	for (size_t i = 0; i < NFIELDS; i++)
		mem_free(fields.texts[i]);
	return true;
}

static bool take_keys(void *argument, const struct json_member *member)
{
	struct reading *reading = argument;

	if (!str_eq(member->key, STR("keys")))
		return true;
	reading->has_keys = true;
	return member->type == JSON_ARRAY &&
	       json_read(reading->json, member->value, JSON_ARRAY, take_key, reading);
}

struct jwk_set *jwk_set_create(struct json *json, struct str text, const char *source,
                               struct err_text *why)
{
	struct reading reading = {json, mem_zalloc(sizeof(*reading.set)), source, false};

	if (json_read(json, text, JSON_OBJECT, take_keys, &reading) && reading.has_keys)
		return reading.set;
	err_say(why, "%s is no JWK set of at most %d keys", source, MAX_KEYS);
	jwk_set_destroy(reading.set);
	return NULL;
}

void jwk_set_destroy(struct jwk_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		free_key(&set->keys[i]);
	mem_free(set);
}

/* ---- signatures */

static bool is_mac(const struct key *key, const struct algorithm *algorithm, struct str bytes,
                   struct str signature)
{
	uint8_t mac[MAX_MAC_BYTES];
	size_t len = gnutls_hmac_get_len(algorithm->mac);

	return key->secret.len >= algorithm->bytes && len == signature.len &&
	       gnutls_hmac_fast(algorithm->mac, key->secret.at, key->secret.len, bytes.at,
	                        bytes.len, mac) == 0 &&
	       gnutls_memcmp(mac, signature.at, len) == 0;
}

static bool is_signed(const struct key *key, const struct algorithm *algorithm, struct str bytes,
                      struct str signature)
{
	const gnutls_datum_t data = {(unsigned char *)bytes.at, (unsigned)bytes.len};
	gnutls_datum_t given = {(unsigned char *)signature.at, (unsigned)signature.len};
	bool is_good = false;

	if (key->curve != algorithm->curve || signature.len == 0)
		return false;
	if (key->kind == KIND_CURVE) { /* two numbers; GnuTLS wants DER */
		const gnutls_datum_t r = {given.data, algorithm->bytes};
		const gnutls_datum_t s = {given.data + algorithm->bytes, algorithm->bytes};

		if (signature.len != 2 * (size_t)algorithm->bytes ||
		    gnutls_encode_rs_value(&given, &r, &s) != 0)
			return false;
	}
	is_good = gnutls_pubkey_verify_data2(key->public, algorithm->sign, 0, &data, &given) >= 0;
	if (key->kind == KIND_CURVE)
		gnutls_free(given.data);
	return is_good;
}

static bool has_signed(const struct key *key, const struct algorithm *algorithm, struct str bytes,
                       struct str signature)
{
	if (key->kind != algorithm->kind)
		return false;
	return key->kind == KIND_SECRET ? is_mac(key, algorithm, bytes, signature)
	                                : is_signed(key, algorithm, bytes, signature);
}

static bool may_serve(const struct key *key, struct str alg, struct str kid)
{
	return (!kid.at || !key->kid || str_eq(str_of(key->kid), kid)) &&
	       (!key->alg || str_eq(str_of(key->alg), alg));
}

bool jwk_set_verify(const struct jwk_set *set, struct str alg, struct str kid, struct str bytes,
                    struct str signature)
{
	for (size_t a = 0; a < COUNT(algorithms); a++) {
		if (!str_eq(str_of(algorithms[a].name), alg))
			continue;
		for (size_t i = 0; i < set->n; i++)
			if (may_serve(&set->keys[i], alg, kid) &&
			    has_signed(&set->keys[i], &algorithms[a], bytes, signature))
				return true;
	}
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The header says which key; then the signature; then, of bytes that are the issuer's, the claims.
 */
#include "helpers/bundled/bearer_jwt_auth/policy.h"

#include <math.h>

#include "helpers/bundled/bearer_jwt_auth/jwt.h"
#include "helpers/bundled/common/helper_line.h"
#include "lib/base/check.h"

enum { NAME_BYTES = 512, MAX_TTL_S = 86400 };

/* ---- the header */

struct header {
	char alg[16], kid[NAME_BYTES];
	bool has_kid;
};

/* Copies a text without control bytes; false if it does not fit. */
static bool copy_text(const struct json_member *member, char *out, size_t size)
{
	if (member->type != JSON_TEXT || member->value.len >= size)
		return false;
	for (size_t i = 0; i < member->value.len; i++)
		if ((unsigned char)member->value.at[i] < ' ' || member->value.at[i] == 0x7f)
			return false;
	str_copy(member->value, out, size);
	return true;
}

static bool take_header(void *argument, const struct json_member *member)
{
	struct header *header = argument;

	if (str_eq(member->key, STR("alg")))
		return copy_text(member, header->alg, sizeof(header->alg));
	if (str_eq(member->key, STR("kid")))
		return header->has_kid = copy_text(member, header->kid, sizeof(header->kid));
	/* RFC 7515 §4.1.11: what must be understood, and RFC 7797's other bytes to sign */
	return !str_eq(member->key, STR("crit")) && !str_eq(member->key, STR("b64"));
}

static bool is_signed(struct json *json, const struct jwk_set *keys, const struct jwt *jwt)
{
	struct header header = {0};

	return json_read(json, buf_str(&jwt->header), JSON_OBJECT, take_header, &header) &&
	       jwk_set_verify(keys, str_of(header.alg),
	                      header.has_kid ? str_of(header.kid) : STR_NONE, jwt->signed_part,
	                      buf_str(&jwt->signature));
}

/* ---- the claims */

struct claims {
	const struct policy *policy;
	struct json *json;
	double exp, nbf; /* NAN: not there */
	bool is_issuer, has_audience, is_audience;
	unsigned scopes; /* a bit each that is there */
	char user[NAME_BYTES];
	struct buf notes;
};

static bool is_among(const struct policy_names *names, struct str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq(str_of(names->names[i]), name) || strcmp(names->names[i], "*") == 0)
			return true;
	return false;
}

static bool take_audience(void *argument, const struct json_member *member)
{
	struct claims *claims = argument;

	if (member->type == JSON_TEXT && is_among(&claims->policy->audiences, member->value))
		claims->is_audience = true;
	return true;
}

static void note_scope(struct claims *claims, struct str scope)
{
	for (size_t i = 0; i < claims->policy->scopes.n; i++)
		if (str_eq(str_of(claims->policy->scopes.names[i]), scope))
			claims->scopes |= 1U << i;
}

static bool take_scope(void *argument, const struct json_member *member)
{
	if (member->type == JSON_TEXT)
		note_scope(argument, member->value);
	return true;
}

static bool claim_number(struct claims *claims, const struct json_member *member)
{
	*(member->key.at[0] == 'e' ? &claims->exp : &claims->nbf) = member->number;
	return member->type == JSON_NUMBER;
}

static bool claim_issuer(struct claims *claims, const struct json_member *member)
{
	claims->is_issuer =
		member->type == JSON_TEXT && is_among(&claims->policy->issuers, member->value);
	return true;
}

static bool claim_audience(struct claims *claims, const struct json_member *member)
{
	claims->has_audience = true;
	if (member->type == JSON_ARRAY)
		return json_read(claims->json, member->value, JSON_ARRAY, take_audience, claims);
	return take_audience(claims, member);
}

static bool claim_scope(struct claims *claims, const struct json_member *member)
{
	struct str rest = member->value, scope;

	if (member->type == JSON_ARRAY)
		return json_read(claims->json, member->value, JSON_ARRAY, take_scope, claims);
	while (member->type == JSON_TEXT && str_word(&rest, &scope))
		note_scope(claims, scope);
	return true;
}

static bool take_claim(void *argument, const struct json_member *member)
{
	static const struct {
		struct str name;
		bool (*take)(struct claims *claims, const struct json_member *member);
	} known[] = {{STR("exp"), claim_number},  {STR("nbf"), claim_number},
	             {STR("iss"), claim_issuer},  {STR("aud"), claim_audience},
	             {STR("scope"), claim_scope}, {STR("scp"), claim_scope}};
	struct claims *claims = argument;
	const struct policy_names *notes = &claims->policy->notes;

	if (str_eq(member->key, str_of(claims->policy->user_claim)) &&
	    !copy_text(member, claims->user, sizeof(claims->user)))
		return false;
	for (size_t i = 0; i < notes->n; i++)
		if (str_eq(member->key, str_of(notes->names[i])) &&
		    !memchr(member->value.at, '\0', member->value.len))
			helper_add_pair(&claims->notes, notes->names[i], member->value);
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(known[i].name, member->key))
			return known[i].take(claims, member);
	return true;
}

/* What is wrong with them; NULL: nothing. */
static const char *fault_of(const struct claims *claims, int64_t now_s)
{
	double leeway = (double)claims->policy->leeway_s, now = (double)now_s;

	if (isnan(claims->exp))
		return "exp is missing";
	if (!(now < claims->exp + leeway))
		return "expired";
	if (!isnan(claims->nbf) && !(claims->nbf <= now + leeway))
		return "not valid yet";
	if (claims->policy->issuers.n > 0 && !claims->is_issuer)
		return "another issuer";
	if ((claims->has_audience || claims->policy->audiences.n > 0) && !claims->is_audience)
		return "another audience";
	if (claims->user[0] == '\0')
		return "no user";
	return claims->notes.is_full ? "too much to pass on" : NULL;
}

static void refuse(struct buf *out, const char *error, const char *why)
{
	buf_printf(out, "ERR error=%s message=\"%s\"", error, why);
}

/* How long the answer may be kept: to exp, and a second at least, as leeway has it. */
static int64_t ttl_of(const struct claims *claims, int64_t now_s)
{
	double left = claims->exp - (double)now_s;

	return left >= MAX_TTL_S ? MAX_TTL_S : left < 1 ? 1 : (int64_t)left;
}

static void judge_claims(struct claims *claims, struct str payload, int64_t now_s, struct buf *out)
{
	size_t nscopes = claims->policy->scopes.n;
	const char *fault;

	if (!json_read(claims->json, payload, JSON_OBJECT, take_claim, claims)) {
		refuse(out, "invalid_token", "bad claims");
		return;
	}
	fault = fault_of(claims, now_s);
	if (fault) {
		refuse(out, "invalid_token", fault);
	} else if (claims->scopes != (1U << nscopes) - 1) {
		refuse(out, "insufficient_scope", "a scope is missing");
	} else {
		buf_add_str(out, STR("OK"));
		helper_add_pair(out, "user", str_of(claims->user));
		buf_printf(out, " ttl=%lld", (long long)ttl_of(claims, now_s));
		buf_add_str(out, buf_str(&claims->notes));
	}
}

void policy_judge(const struct policy *policy, struct json *json, const struct jwk_set *keys,
                  struct str token, int64_t now_s, struct buf *out)
{
	struct claims claims = {.policy = policy, .json = json, .exp = NAN, .nbf = NAN};
	struct jwt jwt;

	if (!jwt_init(&jwt, token)) {
		refuse(out, "invalid_token", "no JWT");
		return;
	}
	buf_init(&claims.notes, POLICY_ANSWER_BYTES / 2);
	if (is_signed(json, keys, &jwt))
		judge_claims(&claims, buf_str(&jwt.payload), now_s, out);
	else
		refuse(out, "invalid_token", "bad signature");
	buf_fini(&claims.notes);
	jwt_fini(&jwt);
}

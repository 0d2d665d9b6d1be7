/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of NAME=VALUE is cut in one pass over a copy of the text, in which quoted strings lose
 * their backslashes in place. Each name is a row of a table; what is asked of a value comes
 * after. */
#include "helpers/digest_fields.h"

#include <stddef.h>

#include "helpers/auth_text.h"
#include "helpers/line.h"

static const struct {
	const char *name;
	size_t nchars;
} algorithms[DIGEST_ALGORITHMS] = {
	[DIGEST_MD5] = {"MD5", 32},
	[DIGEST_SHA256] = {"SHA-256", 64},
};

size_t digest_hash_chars(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].nchars;
}

const char *digest_algorithm_name(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

/* All that may be said; at NULL: it is not. */
struct said {
	struct str username, realm, nonce, uri, response, algorithm, cnonce, qop, nc, userhash;
	struct str username_star, opaque;
};

#define SLOT(member) offsetof(struct said, member)

static const struct {
	const char *name;
	size_t slot;
} names[] = {
	{"username", SLOT(username)},
	{"realm", SLOT(realm)},
	{"nonce", SLOT(nonce)},
	{"uri", SLOT(uri)},
	{"response", SLOT(response)},
	{"algorithm", SLOT(algorithm)},
	{"cnonce", SLOT(cnonce)},
	{"qop", SLOT(qop)},
	{"nc", SLOT(nc)},
	{"userhash", SLOT(userhash)},
	{"username*", SLOT(username_star)},
	{"opaque", SLOT(opaque)},
};

/* ---- cutting */

struct cutting {
	char *at, *end;
};

static void skip_blanks(struct cutting *cutting)
{
	while (cutting->at < cutting->end && (*cutting->at == ' ' || *cutting->at == '\t'))
		cutting->at++;
}

static bool skip_char(struct cutting *cutting, char c)
{
	if (cutting->at == cutting->end || *cutting->at != c)
		return false;
	cutting->at++;
	return true;
}

static bool cut_token(struct cutting *cutting, struct str *out)
{
	char *from = cutting->at;

	while (cutting->at < cutting->end && (unsigned char)*cutting->at > ' ' &&
	       !memchr("\",;=\\", *cutting->at, 5))
		cutting->at++;
	*out = (struct str){from, (size_t)(cutting->at - from)};
	return out->len > 0;
}

/* Behind the opening quote. */
static bool cut_quoted(struct cutting *cutting, struct str *out)
{
	char *from = cutting->at, *to = from;

	while (cutting->at < cutting->end && *cutting->at != '"') {
		if (*cutting->at == '\\' && ++cutting->at == cutting->end)
			return false;
		*to++ = *cutting->at++;
	}
	*out = (struct str){from, (size_t)(to - from)};
	return skip_char(cutting, '"');
}

/* Names that nobody knows are passed over (RFC 9110 §11.4); what comes twice is not read in two
 * ways. */
static bool keep(struct said *said, struct str name, struct str value)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct str *slot = (struct str *)((char *)said + names[i].slot);

		if (!str_eq_nocase(name, str_of(names[i].name)))
			continue;
		if (slot->at)
			return false;
		*slot = value;
	}
	return true;
}

static bool cut_parameter(struct cutting *cutting, struct said *said)
{
	struct str name, value;

	if (!cut_token(cutting, &name))
		return false;
	skip_blanks(cutting);
	if (!skip_char(cutting, '='))
		return false;
	skip_blanks(cutting);
	if (skip_char(cutting, '"') ? !cut_quoted(cutting, &value) : !cut_token(cutting, &value))
		return false;
	skip_blanks(cutting);
	return helper_value_is_clean(value) && keep(said, name, value);
}

static bool cut_all(struct cutting *cutting, struct said *said)
{
	*said = (struct said){0};
	for (;;) {
		skip_blanks(cutting);
		if (cutting->at == cutting->end)
			return true;
		if (skip_char(cutting, ','))
			continue;
		if (!cut_parameter(cutting, said))
			return false;
		if (cutting->at < cutting->end && *cutting->at != ',')
			return false;
	}
}

/* ---- what it means */

static bool find_algorithm(struct str text, enum digest_algorithm *out)
{
	*out = DIGEST_MD5;
	if (!text.at)
		return true;
	for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++)
		if (str_eq_nocase(text, str_of(algorithms[i].name))) {
			*out = (enum digest_algorithm)i;
			return true;
		}
	return false;
}

static bool read_response(struct str text, struct digest_fields *out)
{
	if (text.len != digest_hash_chars(out->algorithm))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (ascii_hex(text.at[i]) < 0)
			return false;
		out->response[i] = ascii_lower(text.at[i]);
	}
	return true;
}

/* qop, nc and cnonce come together or not at all. */
static bool read_count(const struct said *said, struct digest_fields *out)
{
	out->nc = 0;
	out->nc_text = said->nc;
	out->cnonce = said->cnonce;
	if (!said->qop.at)
		return !said->nc.at && !said->cnonce.at;
	if (!str_eq_nocase(said->qop, STR("auth")) || said->nc.len != 8 || said->cnonce.len == 0)
		return false;
	for (size_t i = 0; i < said->nc.len; i++) {
		int digit = ascii_hex(said->nc.at[i]);

		if (digit < 0)
			return false;
		out->nc = out->nc << 4 | (uint32_t)digit;
	}
	return out->nc > 0;
}

static bool uses_what_is_not_offered(const struct said *said)
{
	return said->username_star.at || str_eq_nocase(said->userhash, STR("true"));
}

static bool understand(const struct said *said, struct digest_fields *out)
{
	if (uses_what_is_not_offered(said) || said->username.len == 0 || said->nonce.len == 0 ||
	    said->uri.len == 0 || !said->realm.at ||
	    memchr(said->username.at, '"', said->username.len))
		return false;
	out->username = said->username;
	out->realm = said->realm;
	out->nonce = said->nonce;
	out->uri = said->uri;
	return find_algorithm(said->algorithm, &out->algorithm) &&
	       read_response(said->response, out) && read_count(said, out);
}

bool digest_fields_read(struct str value, char *bytes, struct digest_fields *out)
{
	struct cutting cutting;
	struct said said;
	struct str rest;

	if (value.len > DIGEST_MAX_BYTES || !auth_take_scheme(value, STR("Digest"), &rest) ||
	    rest.len == 0)
		return false;
	memcpy(bytes, rest.at, rest.len);
	cutting = (struct cutting){bytes, bytes + rest.len};
	return cut_all(&cutting, &said) && understand(&said, out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/helper_secrets.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"

enum { ROUNDS = 10000 };

#define WORD(n) (1u << (n))

static const struct secrets_place {
	const char *kind;
	uint32_t words;
	bool has_bare_hashes; /* a word of an answer that is hexadecimal and long is a hash */
	bool has_tokens;      /* answers like TT TOKEN and AF TOKEN USER */
} places[] = {
	{.kind = "basic", .words = WORD(2)}, /* USER PASSWORD */
	{.kind = "bearer", .words = WORD(1)},
	{.kind = "digest", .has_bare_hashes = true},
	{.kind = "ntlm", .words = WORD(2), .has_tokens = true}, /* YR TOKEN */
	{.kind = "negotiate", .words = WORD(2), .has_tokens = true},
	{.kind = NULL}, /* all others */
};

static const char hidden_begin[] = "{hashed:";

void secrets_init(struct secrets *secrets, const char *kind, uint32_t more_words)
{
	const struct secrets_place *place = places;

	while (place->kind && strcmp(place->kind, kind) != 0)
		place++;
	*secrets = (struct secrets){.place = place, .words = place->words | more_words};
}

void secrets_fini(struct secrets *secrets)
{
	for (size_t i = 0; i < SECRETS_MEMO; i++) {
		struct secrets_memo *memo = &secrets->memo[i];

		if (memo->secret)
			gnutls_memset(memo->secret, 0, memo->len);
		mem_free(memo->secret);
	}
	*secrets = (struct secrets){0};
}

/* ---- hashes */

static void derive(const unsigned char *salt, struct str secret, char hex[SECRETS_HEX + 1])
{
	const gnutls_datum_t key = {(unsigned char *)secret.at, (unsigned)secret.len};
	const gnutls_datum_t with = {(unsigned char *)salt, SECRETS_SALT_BYTES};
	unsigned char hash[SECRETS_HEX / 2];
	size_t size = SECRETS_HEX + 1;
	int err = gnutls_pbkdf2(GNUTLS_MAC_SHA256, &key, &with, ROUNDS, hash, sizeof(hash));

	check(err == 0);
	err = gnutls_hex_encode(&(gnutls_datum_t){hash, sizeof(hash)}, hex, &size);
	check(err == 0);
}

const char *secrets_hash(struct secrets *secrets, struct str secret)
{
	uint64_t slot = hash_str(secret, 0) % SECRETS_MEMO;
	struct secrets_memo *memo = &secrets->memo[slot];

	if (memo->secret && str_eq((struct str){memo->secret, memo->len}, secret))
		return memo->hex;
	if (memo->secret)
		gnutls_memset(memo->secret, 0, memo->len);
	mem_free(memo->secret);
	memo->secret = str_dup(secret);
	memo->len = secret.len;
	derive(secrets->salt, secret, memo->hex);
	return memo->hex;
}

static unsigned hide(struct secrets *secrets, struct str secret, struct buf *out)
{
	if (secret.len == 0)
		return 0;
	buf_printf(out, "%s%s}", hidden_begin, secrets_hash(secrets, secret));
	return 1;
}

/* ---- lines */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static size_t count_blanks(struct str text)
{
	size_t n = 0;

	while (n < text.len && is_blank(text.at[n]))
		n++;
	return n;
}

/* The length of "..." with \" inside, at text's beginning; of all of it when the end is missing. */
static size_t quoted_len(struct str text)
{
	for (size_t i = 1; i < text.len; i++)
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '"')
			return i + 1;
	return text.len;
}

/* The length of a word; a quote at its beginning, or behind `key=`, takes blanks along. */
static size_t word_len(struct str text)
{
	size_t n = 0;

	while (n < text.len && !is_blank(text.at[n]))
		if (text.at[n] == '"' && (n == 0 || text.at[n - 1] == '='))
			n += quoted_len(str_from(text, n));
		else
			n++;
	return n;
}

/* The next word of *rest; the blanks before it go to out. False: there is none. */
static bool next_word(struct str *rest, struct str *word, struct buf *out)
{
	size_t nblanks = count_blanks(*rest);

	buf_add_str(out, str_first(*rest, nblanks));
	*rest = str_from(*rest, nblanks);
	*word = str_first(*rest, word_len(*rest));
	*rest = str_from(*rest, word->len);
	return word->len > 0;
}

unsigned secrets_hide_question(struct secrets *secrets, struct str question, struct buf *out)
{
	struct str rest = question, word;
	unsigned n = 0;

	for (unsigned i = 1; next_word(&rest, &word, out); i++)
		if (i <= SECRETS_MAX_WORD && (secrets->words & WORD(i)))
			n += hide(secrets, word, out);
		else
			buf_add_str(out, word);
	return n;
}

static bool is_secret_key(struct str key)
{
	static const char *const keys[] = {"password", "passwd",     "pass",       "token",
	                                   "ha1",      "ha1-sha256", "ha1-sha-256"};

	for (size_t i = 0; i < COUNT(keys); i++)
		if (str_eq_nocase(key, str_of(keys[i])))
			return true;
	return false;
}

static bool is_hash(struct str word)
{
	for (size_t i = 0; i < word.len; i++)
		if (ascii_hex(word.at[i]) < 0)
			return false;
	return word.len >= 32;
}

/* Is the i-th word of an answer a token of its handshake? In `AF USER` there is none. */
static bool is_token(const struct secrets *secrets, struct str answer, unsigned i)
{
	struct str rest = answer, first = STR(""), second = STR(""), third = STR("");

	if (!secrets->place->has_tokens || i != 2)
		return false;
	str_word(&rest, &first);
	str_word(&rest, &second);
	str_word(&rest, &third);
	return str_eq(first, STR("TT")) || (str_eq(first, STR("AF")) && third.len > 0);
}

/* key=value, key="value". */
static unsigned hide_value(struct secrets *secrets, struct str word, size_t equals, struct buf *out)
{
	struct str value = str_from(word, equals + 1);

	buf_add_str(out, str_first(word, equals + 1));
	if (value.len > 0 && value.at[0] == '"') {
		value = str_from(value, 1);
		if (value.len > 0 && value.at[value.len - 1] == '"')
			value = str_first(value, value.len - 1);
	}
	return hide(secrets, value, out);
}

unsigned secrets_hide_answer(struct secrets *secrets, struct str answer, struct buf *out)
{
	struct str rest = answer, word;
	unsigned n = 0;

	for (unsigned i = 1; next_word(&rest, &word, out); i++) {
		size_t equals = str_find_char(word, '=');

		if (is_token(secrets, answer, i) ||
		    (secrets->place->has_bare_hashes && is_hash(word)))
			n += hide(secrets, word, out);
		else if (equals < word.len && is_secret_key(str_first(word, equals)))
			n += hide_value(secrets, word, equals, out);
		else
			buf_add_str(out, word);
	}
	return n;
}

/* ---- and back */

bool secrets_restore(struct str question, const char *(*find)(void *user, struct str hex),
                     void *user, struct buf *out)
{
	const size_t begin_len = strlen(hidden_begin);

	while (question.len > 0) {
		const char *at = memmem(question.at, question.len, hidden_begin, begin_len);
		struct str hex;
		const char *secret;

		if (!at)
			return buf_add_str(out, question);
		buf_add_str(out, str_first(question, (size_t)(at - question.at)));
		question = str_from(question, (size_t)(at - question.at) + begin_len);
		hex = str_first(question, str_find_char(question, '}'));
		secret = find(user, hex);
		if (!secret)
			return false;
		buf_add_str(out, str_of(secret));
		question = str_from(question, hex.len + 1);
	}
	return true;
}

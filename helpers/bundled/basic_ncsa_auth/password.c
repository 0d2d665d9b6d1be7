/* SPDX-License-Identifier: BSD-2-Clause */
/* One row a format, by what the stored text begins with; libcrypt has what no row names. */
#include "helpers/bundled/basic_ncsa_auth/password.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { MD5_BYTES = 16, SHA1_BYTES = 20, SALT_MAX = 8, APR1_ROUNDS = 1000, DES_BYTES = 8 };

static bool is_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strlen(b) == len && gnutls_memcmp(a, b, len) == 0;
}

static enum password_verdict verdict(bool is_right)
{
	return is_right ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

/* ---- Apache's MD5 scheme: md5crypt under another name */

static gnutls_hash_hd_t md5_begin(void)
{
	gnutls_hash_hd_t md5;

	check(gnutls_hash_init(&md5, GNUTLS_DIG_MD5) == 0);
	return md5;
}

/* The first mix: password, name, salt, and MD5(password salt password) by the password's length and
 * by the bits of that length. */
static void apr1_first(const char *password, const char *salt, size_t salt_len,
                       uint8_t out[MD5_BYTES])
{
	size_t len = strlen(password);
	gnutls_hash_hd_t md5 = md5_begin();

	gnutls_hash(md5, password, len);
	gnutls_hash(md5, salt, salt_len);
	gnutls_hash(md5, password, len);
	gnutls_hash_output(md5, out); /* and begins anew */
	gnutls_hash(md5, password, len);
	gnutls_hash(md5, "$apr1$", 6);
	gnutls_hash(md5, salt, salt_len);
	for (size_t left = len; left > 0; left -= left < MD5_BYTES ? left : MD5_BYTES)
		gnutls_hash(md5, out, left < MD5_BYTES ? left : MD5_BYTES);
	for (size_t bits = len; bits > 0; bits >>= 1)
		gnutls_hash(md5, bits & 1 ? "" : password, 1);
	gnutls_hash_deinit(md5, out);
}

static void apr1_rounds(const char *password, const char *salt, size_t salt_len,
                        uint8_t digest[MD5_BYTES])
{
	size_t len = strlen(password);
	gnutls_hash_hd_t md5 = md5_begin();

	for (unsigned i = 0; i < APR1_ROUNDS; i++) {
		gnutls_hash(md5, i & 1 ? (const void *)password : digest, i & 1 ? len : MD5_BYTES);
		if (i % 3 != 0)
			gnutls_hash(md5, salt, salt_len);
		if (i % 7 != 0)
			gnutls_hash(md5, password, len);
		gnutls_hash(md5, i & 1 ? digest : (const void *)password, i & 1 ? MD5_BYTES : len);
		gnutls_hash_output(md5, digest);
	}
	gnutls_hash_deinit(md5, NULL);
}

/* n digits of 6 bits, the lowest first. */
static char *add_digits(char *out, uint32_t bits, unsigned n)
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	for (; n > 0; n--, bits >>= 6)
		*out++ = digits[bits & 63];
	return out;
}

static void apr1_text(const uint8_t digest[MD5_BYTES], char out[23])
{
	static const uint8_t order[5][3] = {
		{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};

	for (size_t i = 0; i < COUNT(order); i++)
		out = add_digits(out,
		                 (uint32_t)digest[order[i][0]] << 16 |
		                         (uint32_t)digest[order[i][1]] << 8 | digest[order[i][2]],
		                 4);
	*add_digits(out, digest[11], 2) = '\0';
}

static enum password_verdict check_apr1(const char *password, const char *stored)
{
	const char *salt = stored + strlen("$apr1$");
	size_t salt_len = strcspn(salt, "$");
	const char *hash = salt + salt_len;
	uint8_t digest[MD5_BYTES];
	char text[23];

	if (salt_len > SALT_MAX || *hash != '$')
		return PASSWORD_WRONG;
	apr1_first(password, salt, salt_len, digest);
	apr1_rounds(password, salt, salt_len, digest);
	apr1_text(digest, text);
	return verdict(is_equal(text, hash + 1));
}

/* ---- the others */

static enum password_verdict check_sha(const char *password, const char *stored)
{
	uint8_t digest[SHA1_BYTES];
	const gnutls_datum_t bytes = {digest, sizeof(digest)};
	gnutls_datum_t text;
	bool is_right;

	if (gnutls_hash_fast(GNUTLS_DIG_SHA1, password, strlen(password), digest) != 0 ||
	    gnutls_base64_encode2(&bytes, &text) != 0)
		return PASSWORD_WRONG;
	is_right = strlen(stored) == strlen("{SHA}") + text.size &&
	           gnutls_memcmp(stored + strlen("{SHA}"), text.data, text.size) == 0;
	gnutls_free(text.data);
	return verdict(is_right);
}

static enum password_verdict check_bare_md5(const char *password, const char *stored)
{
	uint8_t digest[MD5_BYTES];
	char text[2 * MD5_BYTES + 1];

	if (gnutls_hash_fast(GNUTLS_DIG_MD5, password, strlen(password), digest) != 0)
		return PASSWORD_WRONG;
	for (size_t i = 0; i < MD5_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return verdict(is_equal(text, stored));
}

static enum password_verdict check_crypt(const char *password, const char *stored)
{
	struct crypt_data *data = mem_zalloc(sizeof(*data));
	const char *text = crypt_r(password, stored, data);
	/* "*0" is libcrypt's failure, and what some write to lock an account */
	bool is_right = text && text[0] != '*' && is_equal(text, stored);

	gnutls_memset(data, 0, sizeof(*data));
	mem_free(data);
	if (is_right && stored[0] != '$' && stored[0] != '_' && strlen(password) > DES_BYTES)
		return PASSWORD_TOO_LONG;
	return verdict(is_right);
}

static bool is_bare_md5(const char *stored)
{
	return strlen(stored) == 2 * MD5_BYTES &&
	       strspn(stored, "0123456789abcdef") == 2 * MD5_BYTES;
}

enum password_verdict password_check(const char *password, const char *stored)
{
	static const struct {
		const char *prefix;
		enum password_verdict (*fits)(const char *password, const char *stored);
	} formats[] = {
		{"$apr1$", check_apr1},
		{"{SHA}", check_sha},
	};

	for (size_t i = 0; i < COUNT(formats); i++)
		if (strncmp(stored, formats[i].prefix, strlen(formats[i].prefix)) == 0)
			return formats[i].fits(password, stored);
	return is_bare_md5(stored) ? check_bare_md5(password, stored)
	                           : check_crypt(password, stored);
}

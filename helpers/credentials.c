/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/credentials.h"

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 §4 to the letter: padded, no blanks, no stray bits. Into out (3 bytes for 4 of text). */
static bool decode_base64(struct str text, char *out, size_t *len)
{
	uint32_t bits = 0;
	unsigned nbits = 0;
	size_t npad = 0, n = 0;

	if (text.len % 4 != 0)
		return false;
	while (npad < 2 && npad < text.len && text.at[text.len - 1 - npad] == '=')
		npad++;
	for (size_t i = 0; i < text.len - npad; i++) {
		int digit = base64_digit(text.at[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t)digit) & 0xfff;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			out[n++] = (char)(bits >> nbits & 0xff);
		}
	}
	*len = n;
	return (bits & ((1u << nbits) - 1)) == 0;
}

/* How many bytes the UTF-8 sequence at the front of s has; 0 if it is none. */
static size_t utf8_len(struct str s)
{
	const unsigned char *at = (const unsigned char *)s.at;
	size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (at[0] >= 0x80 && (at[0] < 0xc2 || at[0] > 0xf4))
		return 0;
	if (n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
		return 0;
	return n;
}

static bool is_utf8(struct str s)
{
	while (s.len > 0) {
		size_t n = utf8_len(s);

		if (n == 0)
			return false;
		s = str_from(s, n);
	}
	return true;
}

/* ISO 8859-1 to UTF-8 in place, from the end; at has room for twice the length. */
static size_t latin1_to_utf8(char *at, size_t len)
{
	size_t extra = 0, out;

	for (size_t i = 0; i < len; i++)
		extra += (unsigned char)at[i] >= 0x80;
	out = len + extra;
	for (size_t i = len, to = out; i-- > 0;) {
		unsigned char c = (unsigned char)at[i];

		if (c < 0x80) {
			at[--to] = (char)c;
		} else {
			at[--to] = (char)(0x80 | (c & 0x3f));
			at[--to] = (char)(0xc0 | c >> 6);
		}
	}
	return out;
}

/* The token behind "Basic": RFC 7617 §2. */
static bool find_token(struct str value, struct str *token)
{
	struct str rest = value, scheme;

	if (value.len > CREDENTIALS_MAX_BYTES || !str_word(&rest, &scheme) ||
	    !str_eq_nocase(scheme, STR("Basic")))
		return false;
	*token = str_trim(rest);
	return token->len > 0;
}

bool credentials_read(struct str value, enum credentials_options options, struct credentials *out)
{
	struct str text = {out->bytes, 0}, token;
	size_t colon;

	if (!find_token(value, &token) || !decode_base64(token, out->bytes, &text.len))
		return false;
	if (memchr(text.at, '\n', text.len) || memchr(text.at, '\r', text.len) ||
	    memchr(text.at, '\0', text.len))
		return false;
	if (options & CREDENTIALS_TO_UTF8 && !is_utf8(text))
		text.len = latin1_to_utf8(out->bytes, text.len);
	colon = str_find_char(text, ':');
	out->user = str_first(text, colon);
	out->pass = str_from(text, colon + 1);
	if (options & CREDENTIALS_FOLD_USER)
		for (size_t i = 0; i < out->user.len; i++)
			out->bytes[i] = ascii_lower(out->bytes[i]);
	return out->user.len > 0 && out->pass.len > 0;
}

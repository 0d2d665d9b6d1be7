/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/auth_text.h"

bool auth_add_quoted(struct buf *out, struct str text)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, text.at[i]);
	}
	buf_add_char(out, '"');
	return !out->is_full;
}

bool auth_take_scheme(struct str value, struct str scheme, struct str *rest)
{
	struct str word;

	*rest = value;
	if (!str_word(rest, &word) || !str_eq_nocase(word, scheme))
		return false;
	*rest = str_trim(*rest);
	return true;
}

static bool is_token68_char(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
	       (c != '\0' && memchr("-._~+/", c, 6) != NULL);
}

bool auth_is_token68(struct str text)
{
	size_t n = text.len;

	while (n > 0 && text.at[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		if (!is_token68_char(text.at[i]))
			return false;
	return n > 0;
}

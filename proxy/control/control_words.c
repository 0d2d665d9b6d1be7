/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/control/control_words.h"

static bool is_plain(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '%';
}

void control_words_add(struct buf *line, struct str word)
{
	if (line->len > 0)
		buf_add_char(line, ' ');
	if (word.len == 0)
		buf_add_char(line, '%');
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.at[i];

		if (is_plain(c))
			buf_add_char(line, (char)c);
		else
			buf_printf(line, "%%%02X", c);
	}
}

bool control_words_next(struct str *rest, char *out, struct str *word)
{
	struct str coded;
	size_t n = 0;

	if (!str_word(rest, &coded))
		return false;
	*word = (struct str){out, 0};
	if (str_eq(coded, STR("%")))
		return true;
	for (size_t i = 0; i < coded.len; i++) {
		int high, low;

		if (coded.at[i] != '%') {
			out[n++] = coded.at[i];
			continue;
		}
		if (coded.len - i < 3)
			return false;
		high = ascii_hex(coded.at[i + 1]);
		low = ascii_hex(coded.at[i + 2]);
		if (high < 0 || low < 0)
			return false;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	word->len = n;
	return true;
}

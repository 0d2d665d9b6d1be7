/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/form.h"

/* One byte of text, *text moved behind it. */
static unsigned char take_byte(struct str *text)
{
	unsigned char c = (unsigned char)text->at[0];
	size_t len = 1;

	if (c == '+') {
		c = ' ';
	} else if (c == '%' && text->len >= 3 && ascii_hex(text->at[1]) >= 0 &&
		   ascii_hex(text->at[2]) >= 0) {
		c = (unsigned char)(ascii_hex(text->at[1]) << 4 | ascii_hex(text->at[2]));
		len = 3;
	}
	*text = str_from(*text, len);
	return c;
}

static const char *decode(struct str text, char *out, size_t size)
{
	size_t n = 0;

	while (text.len > 0) {
		unsigned char c = take_byte(&text);

		if (c < ' ' || c == 0x7f || n + 1 >= size)
			return NULL;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return out;
}

const char *form_value(struct str form, struct str name, char *out, size_t size)
{
	struct str pair;

	while (str_split(&form, '&', &pair)) {
		size_t equals = str_find_char(pair, '=');

		if (str_eq(str_first(pair, equals), name))
			return decode(str_from(pair, equals + 1), out, size);
	}
	return NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/json.h"

enum { REPLACEMENT_CHARACTER = 0xfffd };

/* The character that text begins with, and how many bytes it has; what is no UTF-8 is one byte of
 * U+FFFD. */
static uint32_t decode(struct str text, size_t *length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)text.at[0];
	size_t n = first < 0x80   ? 1
		   : first < 0xc2 ? 0
		   : first < 0xe0 ? 2
		   : first < 0xf0 ? 3
		   : first < 0xf5 ? 4
				  : 0;
	uint32_t code = n < 2 ? first : first & (0x7fU >> n);

	*length = 1;
	if (n == 0 || n > text.len)
		return REPLACEMENT_CHARACTER;
	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)text.at[i];

		if ((next & 0xc0) != 0x80)
			return REPLACEMENT_CHARACTER;
		code = code << 6 | (next & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return REPLACEMENT_CHARACTER;
	*length = n;
	return code;
}

static void add_code(struct buf *out, uint32_t code)
{
	if (code == '"' || code == '\\') {
		buf_add_char(out, '\\');
		buf_add_char(out, (char)code);
	} else if (code >= ' ' && code < 0x7f) {
		buf_add_char(out, (char)code);
	} else if (code < 0x10000) {
		buf_printf(out, "\\u%04x", code);
	} else {
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
			   0xdc00 + ((code - 0x10000) & 0x3ff));
	}
}

void json_add_str(struct buf *out, struct str text)
{
	size_t length;

	buf_add_char(out, '"');
	for (; text.len > 0; text = str_from(text, length))
		add_code(out, decode(text, &length));
	buf_add_char(out, '"');
}

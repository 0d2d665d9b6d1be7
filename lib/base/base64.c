/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/base64.h"

#include <stdint.h>

void base64_add(struct buf *out, struct str bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.len; i += 3) {
		uint32_t group = 0;

		for (size_t k = 0; k < 3; k++)
			group = group << 8 |
			        (i + k < bytes.len ? (unsigned char)bytes.at[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_add_char(out,
			             i + k > bytes.len ? '=' : digits[group >> (18 - 6 * k) & 63]);
	}
}

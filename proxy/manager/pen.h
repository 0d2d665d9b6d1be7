/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/pen.h: a piece of text being written into memory that is known to be large enough:
 * the lines of a reply that are its own. Threads: pure functions. */
#ifndef PROXY_PEN_H
#define PROXY_PEN_H
#include <stdint.h>
#include <string.h>

#include "lib/base/str.h"

enum { PEN_NUMBER_BYTES = 20 };

struct pen {
	char *at;
};

static inline void pen_put(struct pen *pen, struct str text)
{
	if (text.len > 0)
		memcpy(pen->at, text.at, text.len);
	pen->at += text.len;
}

static inline void pen_put_number(struct pen *pen, uint64_t value)
{
	char digits[PEN_NUMBER_BYTES];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	pen_put(pen, (struct str){digits + n, sizeof(digits) - n});
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){.max_bytes = max_bytes};
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->at);
	buf_init(buf, buf->max_bytes);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->is_full = false;
}

void buf_shrink(struct buf *buf, size_t max_kept)
{
	if (buf->cap_ > max_kept)
		buf_fini(buf);
	buf_clear(buf);
}

char *buf_reserve(struct buf *buf, size_t len)
{
	size_t cap = buf->cap_ ? buf->cap_ : 64;

	if (len > buf->max_bytes || buf->len > buf->max_bytes - len) {
		buf->is_full = true;
		return NULL;
	}
	if (buf->len + len > buf->cap_) {
		while (cap < buf->len + len)
			cap *= 2;
		if (cap > buf->max_bytes)
			cap = buf->max_bytes;
		buf->at = mem_realloc(buf->at, cap);
		buf->cap_ = cap;
	}
	return buf->at + buf->len;
}

bool buf_add_char(struct buf *buf, char c)
{
	return buf_add(buf, &c, 1);
}

bool buf_add_u64(struct buf *buf, uint64_t value)
{
	static const char pairs[] = "00010203040506070809"
				    "10111213141516171819"
				    "20212223242526272829"
				    "30313233343536373839"
				    "40414243444546474849"
				    "50515253545556575859"
				    "60616263646566676869"
				    "70717273747576777879"
				    "80818283848586878889"
				    "90919293949596979899";
	char digits[20];
	size_t n = sizeof(digits);

	for (; value >= 100; value /= 100)
		memcpy(digits + (n -= 2), pairs + value % 100 * 2, 2);
	digits[--n] = pairs[value * 2 + 1];
	if (value >= 10)
		digits[--n] = pairs[value * 2];
	return buf_add(buf, digits + n, sizeof(digits) - n);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
	char small[128], *text = NULL;
	va_list args;
	bool ok;
	int n;

	va_start(args, format);
	n = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	check(n >= 0);
	if ((size_t)n < sizeof(small))
		return buf_add(buf, small, (size_t)n);
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	check(n >= 0);
	ok = buf_add(buf, text, (size_t)n);
	mem_free(text);
	return ok;
}

bool buf_prepend(struct buf *buf, struct str s)
{
	if (s.len == 0)
		return true;
	if (!buf_reserve(buf, s.len))
		return false;
	memmove(buf->at + s.len, buf->at, buf->len);
	memcpy(buf->at, s.at, s.len);
	buf->len += s.len;
	return true;
}

void buf_consume(struct buf *buf, size_t n)
{
	check(n <= buf->len);
	buf->len -= n;
	if (buf->len > 0)
		memmove(buf->at, buf->at + n, buf->len);
}

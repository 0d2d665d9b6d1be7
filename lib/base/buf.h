/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/buf.h: bytes that grow, up to a bound set when made. One owner at a time.
 *
 * An append that would pass the bound changes nothing and returns false; the buffer remembers it
 * (is_full), so a caller may append many times and ask once. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "lib/base/str.h"

struct buf {
	char *at;
	size_t len;
	size_t cap_;
	size_t max_bytes;
	bool is_full; /* an append did not fit */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf); /* frees the bytes; the buffer may be used again */
void buf_clear(struct buf *buf); /* keeps the memory */
void buf_shrink(struct buf *buf, size_t max_kept); /* the same, unless it is more than that */

bool buf_add_char(struct buf *buf, char c);
bool buf_add_u64(struct buf *buf, uint64_t value); /* decimal */
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for len more bytes behind buf->at[buf->len], or NULL; the caller adds to buf->len. */
char *buf_reserve(struct buf *buf, size_t len);

static inline bool buf_add(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return true;
	if (len > buf->cap_ - buf->len && !buf_reserve(buf, len))
		return false;
	memcpy(buf->at + buf->len, bytes, len);
	buf->len += len;
	return true;
}

static inline bool buf_add_str(struct buf *buf, struct str s)
{
	return buf_add(buf, s.at, s.len);
}

/* Puts bytes before all others. */
bool buf_prepend(struct buf *buf, struct str s);

/* Drops the first n bytes, moving the rest to the front. */
void buf_consume(struct buf *buf, size_t n);

static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){buf->at, buf->len};
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/str.h: borrowed bytes with a length. Never assume a NUL behind them.
 *
 * Threads: pure functions, any thread. Case folding is ASCII only. */
#ifndef BASE_STR_H
#define BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *at;
	size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str str_of(const char *text)
{
	return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The value of a hexadecimal digit; -1: it is none. */
static inline int ascii_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_eq_nocase(struct str a, struct str b);
int str_cmp_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_starts_with_nocase(struct str s, struct str prefix);
bool str_ends_with_nocase(struct str s, struct str suffix);

/* s without SP and HTAB at both ends. */
struct str str_trim(struct str s);

/* s from offset from on (clamped to its length). */
static inline struct str str_from(struct str s, size_t from)
{
	if (from > s.len)
		from = s.len;
	/* NULL + 0 is undefined, and STR_NONE is a str like any. */
	return from ? (struct str){s.at + from, s.len - from} : s;
}

/* The first n bytes of s (clamped). */
static inline struct str str_first(struct str s, size_t n)
{
	return (struct str){s.at, n < s.len ? n : s.len};
}

/* Position of c in s, or s.len. */
size_t str_find_char(struct str s, char c);

/* Cuts the part before sep off *rest into *part; false when nothing was left. An element after
 * the last separator counts, also when empty: "a,,b," gives "a", "", "b", "". */
bool str_split(struct str *rest, char sep, struct str *part);

/* The next word of *rest, words being apart by SP and HTAB; false at its end. */
bool str_word(struct str *rest, struct str *word);

/* All of s as a decimal number: digits only, at least one, no overflow. On failure *out is
 * untouched. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);

/* A NUL-terminated copy that the caller frees with mem_free. */
char *str_dup(struct str s);

/* Copies s into out with a NUL, cut to size; returns out. */
char *str_copy(struct str s, char *out, size_t size);

#endif

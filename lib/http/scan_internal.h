/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/scan_internal.h: classes of bytes, and searches that take 16 bytes (SSE2) or 8 at a
 * time.
 *
 * Each search returns the first hit in [at, end), or end. Nothing outside [at, end) is read. */
#ifndef HTTP_SCAN_INTERNAL_H
#define HTTP_SCAN_INTERNAL_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base/str.h"

enum {
	BYTE_TOKEN = 1,   /* tchar, RFC 9110 §5.6.2 */
	BYTE_CONTROL = 2, /* may not stand in a field value: 0x00-0x1F but HTAB, 0x7F */
	BYTE_TARGET = 4,  /* may stand in a request-target: 0x21-0x7E but '#' */
	BYTE_HOST = 8,    /* may stand in a host name: letter, digit, '-', '_', '.' */
	BYTE_HEX = 16,
	BYTE_1738 = 32, /* Squid's helpers want it escaped */
};
extern const uint8_t http_bytes[256];

static inline bool byte_is(char c, uint8_t classes)
{
	return http_bytes[(uint8_t)c] & classes;
}

static inline const char *scan_while(const char *at, const char *end, uint8_t classes)
{
	while (at < end && byte_is(*at, classes))
		at++;
	return at;
}

static inline bool str_is_all(struct str s, uint8_t classes)
{
	return scan_while(s.at, s.at + s.len, classes) == s.at + s.len;
}

static inline bool str_is_token(struct str s)
{
	return s.len > 0 && str_is_all(s, BYTE_TOKEN);
}

static inline const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* The value of a hex digit. */
static inline unsigned hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

#ifndef __SSE2__
#define SWAR_ALL(byte) (~UINT64_C(0) / 255 * (byte))

/* Not zero if some byte of word is below n (at most 0x80); may err on the side of yes. */
static inline uint64_t swar_below(uint64_t word, uint8_t n)
{
	return (word - SWAR_ALL(n)) & ~word & SWAR_ALL(0x80);
}

static inline uint64_t swar_load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}
#endif

/* The first BYTE_CONTROL: in a good line, its CR. */
static inline const char *scan_control(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i last = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
		      del = _mm_set1_epi8(0x7f);

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, last), v);
		__m128i hits = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low),
		                            _mm_cmpeq_epi8(v, del));
		unsigned mask = (unsigned)_mm_movemask_epi8(hits);

		if (mask)
			return at + __builtin_ctz(mask);
	}
#else
	for (; end - at >= 8; at += 8) {
		uint64_t word = swar_load(at);

		if (!(swar_below(word, 0x20) | swar_below(word ^ SWAR_ALL(0x7f), 1)))
			continue;
		for (int i = 0; i < 8; i++)
			if (byte_is(at[i], BYTE_CONTROL))
				return at + i;
	}
#endif
	while (at < end && !byte_is(*at, BYTE_CONTROL))
		at++;
	return at;
}

/* The first byte that is not BYTE_TARGET: in a good line, the space behind the target. */
static inline const char *scan_target(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i first = _mm_set1_epi8(0x21), del = _mm_set1_epi8(0x7f),
		      hash = _mm_set1_epi8('#');

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		/* Signed: 0x80 and above are below 0x21 too. */
		__m128i hits =
			_mm_or_si128(_mm_cmplt_epi8(v, first),
		                     _mm_or_si128(_mm_cmpeq_epi8(v, del), _mm_cmpeq_epi8(v, hash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hits);

		if (mask)
			return at + __builtin_ctz(mask);
	}
#else
	for (; end - at >= 8; at += 8) {
		uint64_t word = swar_load(at);

		if (!((word & SWAR_ALL(0x80)) | swar_below(word, 0x21) |
		      swar_below(word ^ SWAR_ALL(0x7f), 1) | swar_below(word ^ SWAR_ALL('#'), 1)))
			continue;
		for (int i = 0; i < 8; i++)
			if (!byte_is(at[i], BYTE_TARGET))
				return at + i;
	}
#endif
	return scan_while(at, end, BYTE_TARGET);
}

/* The first ':'; names are short, so most are found in the first 16 bytes. */
static inline const char *scan_colon(const char *at, const char *end)
{
	const char *found;
#ifdef __SSE2__
	if (end - at >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')));

		if (mask)
			return at + __builtin_ctz(mask);
		at += 16;
	}
#endif
	found = at < end ? memchr(at, ':', (size_t)(end - at)) : NULL;
	return found ? found : end;
}

#endif

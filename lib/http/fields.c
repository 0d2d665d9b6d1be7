/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of fields, and the classes of bytes. A name's id is found by a perfect hash of its
 * length and three of its bytes: two names in one slot do not compile, and the unit test finds a
 * row whose bytes are not its name's. */
#include "lib/http/message.h"

#include "lib/base/check.h"
#include "lib/http/scan_internal.h"

/* Bits as scan_internal.h names them. */
/* clang-format off */
const uint8_t http_bytes[256] = {
	34, 34, 34, 34, 34, 34, 34, 34, 34, 32, 34, 34, 34, 34, 34, 34, /* 00 */
	34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, /* 10 */
	32, 5, 36, 33, 5, 37, 5, 37, 4, 4, 5, 5, 4, 13, 13, 4, /* 20 */
	29, 29, 29, 29, 29, 29, 29, 29, 29, 29, 4, 4, 36, 4, 36, 4, /* 30 */
	4, 29, 29, 29, 29, 29, 29, 13, 13, 13, 13, 13, 13, 13, 13, 13, /* 40 */
	13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 36, 36, 36, 37, 13, /* 50 */
	37, 29, 29, 29, 29, 29, 29, 13, 13, 13, 13, 13, 13, 13, 13, 13, /* 60 */
	13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 36, 37, 36, 37, 34, /* 70 */
	[0x80 ... 0xff] = BYTE_1738,
};

/* Id, spelling, and in lower case its first byte, the one at half its length, and its last. */
#define FIELDS(X) \
	X(ACCEPT, "Accept", 'a', 'e', 't') \
	X(ACCEPT_CHARSET, "Accept-Charset", 'a', 'c', 't') \
	X(ACCEPT_ENCODING, "Accept-Encoding", 'a', 'e', 'g') \
	X(ACCEPT_LANGUAGE, "Accept-Language", 'a', 'l', 'e') \
	X(ACCEPT_RANGES, "Accept-Ranges", 'a', '-', 's') \
	X(AGE, "Age", 'a', 'g', 'e') \
	X(ALLOW, "Allow", 'a', 'l', 'w') \
	X(AUTHENTICATION_INFO, "Authentication-Info", 'a', 'a', 'o') \
	X(AUTHORIZATION, "Authorization", 'a', 'i', 'n') \
	X(CACHE_CONTROL, "Cache-Control", 'c', 'c', 'l') \
	X(CDN_CACHE_CONTROL, "CDN-Cache-Control", 'c', 'e', 'l') \
	X(CDN_LOOP, "CDN-Loop", 'c', 'l', 'p') \
	X(CONNECTION, "Connection", 'c', 'c', 'n') \
	X(CONTENT_DISPOSITION, "Content-Disposition", 'c', 'i', 'n') \
	X(CONTENT_ENCODING, "Content-Encoding", 'c', 'e', 'g') \
	X(CONTENT_LANGUAGE, "Content-Language", 'c', 'l', 'e') \
	X(CONTENT_LENGTH, "Content-Length", 'c', '-', 'h') \
	X(CONTENT_LOCATION, "Content-Location", 'c', 'l', 'n') \
	X(CONTENT_MD5, "Content-MD5", 'c', 'n', '5') \
	X(CONTENT_RANGE, "Content-Range", 'c', 't', 'e') \
	X(CONTENT_TYPE, "Content-Type", 'c', 't', 'e') \
	X(COOKIE, "Cookie", 'c', 'k', 'e') \
	X(DATE, "Date", 'd', 't', 'e') \
	X(ETAG, "ETag", 'e', 'a', 'g') \
	X(EXPECT, "Expect", 'e', 'e', 't') \
	X(EXPIRES, "Expires", 'e', 'i', 's') \
	X(FORWARDED, "Forwarded", 'f', 'a', 'd') \
	X(FROM, "From", 'f', 'o', 'm') \
	X(FRONT_END_HTTPS, "Front-End-Https", 'f', 'n', 's') \
	X(HOST, "Host", 'h', 's', 't') \
	X(HTTP2_SETTINGS, "HTTP2-Settings", 'h', 'e', 's') \
	X(IF_MATCH, "If-Match", 'i', 'a', 'h') \
	X(IF_MODIFIED_SINCE, "If-Modified-Since", 'i', 'i', 'e') \
	X(IF_NONE_MATCH, "If-None-Match", 'i', 'e', 'h') \
	X(IF_RANGE, "If-Range", 'i', 'a', 'e') \
	X(IF_UNMODIFIED_SINCE, "If-Unmodified-Since", 'i', 'f', 'e') \
	X(KEEP_ALIVE, "Keep-Alive", 'k', 'a', 'e') \
	X(LAST_MODIFIED, "Last-Modified", 'l', 'o', 'd') \
	X(LINK, "Link", 'l', 'n', 'k') \
	X(LOCATION, "Location", 'l', 't', 'n') \
	X(MAX_FORWARDS, "Max-Forwards", 'm', 'r', 's') \
	X(MIME_VERSION, "MIME-Version", 'm', 'e', 'n') \
	X(ORIGIN, "Origin", 'o', 'g', 'n') \
	X(PRAGMA, "Pragma", 'p', 'g', 'a') \
	X(PROXY, "Proxy", 'p', 'o', 'y') \
	X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 'p', 'h', 'e') \
	X(PROXY_AUTHENTICATION_INFO, "Proxy-Authentication-Info", 'p', 't', 'o') \
	X(PROXY_AUTHORIZATION, "Proxy-Authorization", 'p', 'h', 'n') \
	X(PROXY_CONNECTION, "Proxy-Connection", 'p', 'n', 'n') \
	X(PUBLIC, "Public", 'p', 'l', 'c') \
	X(RANGE, "Range", 'r', 'n', 'e') \
	X(REFERER, "Referer", 'r', 'e', 'r') \
	X(RETRY_AFTER, "Retry-After", 'r', '-', 'r') \
	X(SERVER, "Server", 's', 'v', 'r') \
	X(SET_COOKIE, "Set-Cookie", 's', 'o', 'e') \
	X(SET_COOKIE2, "Set-Cookie2", 's', 'o', '2') \
	X(SURROGATE_CAPABILITY, "Surrogate-Capability", 's', 'c', 'y') \
	X(SURROGATE_CONTROL, "Surrogate-Control", 's', 'e', 'l') \
	X(TE, "TE", 't', 'e', 'e') \
	X(TITLE, "Title", 't', 't', 'e') \
	X(TRAILER, "Trailer", 't', 'i', 'r') \
	X(TRANSFER_ENCODING, "Transfer-Encoding", 't', '-', 'g') \
	X(UPGRADE, "Upgrade", 'u', 'r', 'e') \
	X(USER_AGENT, "User-Agent", 'u', 'a', 't') \
	X(VARY, "Vary", 'v', 'r', 'y') \
	X(VIA, "Via", 'v', 'i', 'a') \
	X(WARNING, "Warning", 'w', 'n', 'g') \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 'w', 'e', 'e') \
	X(X_CACHE, "X-Cache", 'x', 'a', 'e') \
	X(X_CACHE_LOOKUP, "X-Cache-Lookup", 'x', '-', 'p') \
	X(X_FORWARDED_FOR, "X-Forwarded-For", 'x', 'r', 'r') \
	X(X_SQUID_ERROR, "X-Squid-Error", 'x', 'd', 'r')
/* clang-format on */

enum { SLOTS = 256, NAME_SIZE = 31 }; /* a row of names is 32 bytes */

#define SLOT(len, first, middle, last) (((len)*31u + (first)*31u + (middle)*5u + (last)*9u) % SLOTS)

static const struct {
	char text[NAME_SIZE];
	uint8_t len;
} names[FIELD_ID_COUNT] = {
#define NAME(id, text, first, middle, last) [FIELD_##id] = {text, sizeof(text) - 1},
	FIELDS(NAME)
#undef NAME
};

static const uint8_t slots[SLOTS] = {
#define IN_SLOT(id, text, first, middle, last)                                                     \
	[SLOT(sizeof(text) - 1, first, middle, last)] = FIELD_##id,
	FIELDS(IN_SLOT)
#undef IN_SLOT
};

/* The bits in which bytes differ, but for the case of known's letters. Known names have letters
 * (alone to have bit 0x40), digits and '-'. */
static uint64_t differ(uint64_t given, uint64_t known)
{
	return (given ^ known) & ~((known & UINT64_C(0x4040404040404040)) >> 1);
}

static uint64_t differ_8(const char *given, const char *known)
{
	uint64_t a, b;

	memcpy(&a, given, sizeof(a));
	memcpy(&b, known, sizeof(b));
	return differ(a, b);
}

static uint64_t differ_4(const char *given, const char *known)
{
	uint32_t a, b;

	memcpy(&a, given, sizeof(a));
	memcpy(&b, known, sizeof(b));
	return differ(a, b);
}

/* By words, of which the last may overlap the one before. */
static bool is_name(const char *given, const char *known, size_t len)
{
	uint64_t diff = 0;

	if (len >= 8) {
		for (size_t i = 0; i + 8 < len; i += 8)
			diff |= differ_8(given + i, known + i);
		return !(diff | differ_8(given + len - 8, known + len - 8));
	}
	if (len >= 4)
		return !(differ_4(given, known) | differ_4(given + len - 4, known + len - 4));
	for (size_t i = 0; i < len; i++)
		diff |= differ((uint8_t)given[i], (uint8_t)known[i]);
	return !diff;
}

enum http_field_id http_field_id(struct str name)
{
	enum http_field_id id;

	if (name.len == 0 || name.len >= NAME_SIZE)
		return FIELD_OTHER;
	id = slots[SLOT((unsigned)name.len, (uint8_t)name.at[0] | 0x20u,
	                (uint8_t)name.at[name.len / 2] | 0x20u,
	                (uint8_t)name.at[name.len - 1] | 0x20u)];
	if (id == FIELD_OTHER || names[id].len != name.len ||
	    !is_name(name.at, names[id].text, name.len))
		return FIELD_OTHER;
	return id;
}

struct str http_field_id_name(enum http_field_id id)
{
	check(id > FIELD_OTHER && id < FIELD_ID_COUNT);
	return (struct str){names[id].text, names[id].len};
}

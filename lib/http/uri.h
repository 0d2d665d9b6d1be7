/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/uri.h: http and https URLs, authorities, and percent-encoding. RFC 3986, RFC 9110 §4.2.
 *
 * Parsing gives spans of the text, as written; the printers below give the normal form. Bytes that
 * a target may have are 0x21 to 0x7E but for '#': stricter than Squid (no 8-bit bytes, no blanks),
 * laxer than RFC 3986 (`"<>\^{|}` and backquote pass, since Squid passes them on). Threads: pure
 * functions. Owned: nothing; what is parsed lives as long as its text. */
#ifndef HTTP_URI_H
#define HTTP_URI_H
#include "lib/base/buf.h"
#include "lib/base/str.h"

enum { URI_MAX_HOST = 255 };

struct uri {
	struct str scheme;         /* "http" or "https" in any case */
	struct str host;           /* as written; an IPv6 address has its brackets */
	struct str path_and_query; /* as written: "", "?query" or "/path?query" */
	uint16_t port;             /* as written, else the scheme's */
	bool has_port;             /* the text had one */
	bool is_https;
};

/* All of text as an absolute http or https URL, without userinfo and fragment, and with sound
 * percent-encoding in its path. */
bool uri_parse(struct str text, struct uri *out);

/* HOST [":" [PORT]]: the syntax of a Host field. HOST: letters, digits, '-', '_', '.', at most
 * URI_MAX_HOST bytes, no empty label but for one dot at its end; or an IPv6 address in brackets.
 * *port is 0 when there is none (an empty one counts as none). Empty text is no authority. */
bool uri_parse_authority(struct str text, struct str *host, uint16_t *port, bool *has_port);

/* Is this what may stand behind an authority: "", "?query" or "/path?query", of allowed bytes only?
 * In the path each '%' begins two hex digits that are not 00; the query is not looked into. */
bool uri_is_path_and_query(struct str text);

/* The host in lower case without its last dot, into out (at least host.len bytes); the result lies
 * in out. */
struct str uri_normal_host(struct str host, char *out);

/* The normal host and, unless it is default_port or 0, ":port". False when the buffer is full. */
bool uri_add_authority(struct buf *buf, struct str host, uint16_t port, uint16_t default_port);
/* The whole URL in its normal form: lower-case scheme and host, no default port, "/" for an empty
 * path. */
bool uri_add(struct buf *buf, const struct uri *uri);

/* Escapes as Squid does towards helpers: control bytes, blanks, 8-bit bytes and `"<>#%{}|\^~[]'`
 * and backquote, in upper-case hex. False when the buffer is full. */
bool uri_escape_1738(struct buf *buf, struct str s);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/message.h: the head of a request or a response, as spans over its bytes.
 *
 * A head owns nothing: `base` points at the bytes as received, and all spans are offsets from it,
 * so whoever moves the bytes sets base and is done. Field order is the order of arrival. Threads: a
 * head belongs to whoever holds it. Source: RFC 9110 §5, RFC 9112 §2-§3. */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

/* Fields that some code asks for by name; the table of names is in fields.c. */
enum http_field_id {
	FIELD_OTHER = 0,
	FIELD_ACCEPT,
	FIELD_ACCEPT_CHARSET,
	FIELD_ACCEPT_ENCODING,
	FIELD_ACCEPT_LANGUAGE,
	FIELD_ACCEPT_RANGES,
	FIELD_AGE,
	FIELD_ALLOW,
	FIELD_AUTHENTICATION_INFO,
	FIELD_AUTHORIZATION,
	FIELD_CACHE_CONTROL,
	FIELD_CDN_CACHE_CONTROL,
	FIELD_CDN_LOOP,
	FIELD_CONNECTION,
	FIELD_CONTENT_DISPOSITION,
	FIELD_CONTENT_ENCODING,
	FIELD_CONTENT_LANGUAGE,
	FIELD_CONTENT_LENGTH,
	FIELD_CONTENT_LOCATION,
	FIELD_CONTENT_MD5,
	FIELD_CONTENT_RANGE,
	FIELD_CONTENT_TYPE,
	FIELD_COOKIE,
	FIELD_DATE,
	FIELD_ETAG,
	FIELD_EXPECT,
	FIELD_EXPIRES,
	FIELD_FORWARDED,
	FIELD_FROM,
	FIELD_FRONT_END_HTTPS,
	FIELD_HOST,
	FIELD_HTTP2_SETTINGS,
	FIELD_IF_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_RANGE,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_KEEP_ALIVE,
	FIELD_LAST_MODIFIED,
	FIELD_LINK,
	FIELD_LOCATION,
	FIELD_MAX_FORWARDS,
	FIELD_MIME_VERSION,
	FIELD_ORIGIN,
	FIELD_PRAGMA,
	FIELD_PROXY,
	FIELD_PROXY_AUTHENTICATE,
	FIELD_PROXY_AUTHENTICATION_INFO,
	FIELD_PROXY_AUTHORIZATION,
	FIELD_PROXY_CONNECTION,
	FIELD_PUBLIC,
	FIELD_RANGE,
	FIELD_REFERER,
	FIELD_RETRY_AFTER,
	FIELD_SERVER,
	FIELD_SET_COOKIE,
	FIELD_SET_COOKIE2,
	FIELD_SURROGATE_CAPABILITY,
	FIELD_SURROGATE_CONTROL,
	FIELD_TE,
	FIELD_TITLE,
	FIELD_TRAILER,
	FIELD_TRANSFER_ENCODING,
	FIELD_UPGRADE,
	FIELD_USER_AGENT,
	FIELD_VARY,
	FIELD_VIA,
	FIELD_WARNING,
	FIELD_WWW_AUTHENTICATE,
	FIELD_X_CACHE,
	FIELD_X_CACHE_LOOKUP,
	FIELD_X_FORWARDED_FOR,
	FIELD_X_SQUID_ERROR,
	FIELD_ID_COUNT
};

struct http_span {
	uint32_t at, len;
};

struct http_field {
	uint32_t name_at, value_at, value_len;
	uint16_t name_len;
	uint16_t id; /* enum http_field_id */
};

enum { HTTP_MAX_FIELDS = 192 };

struct http_head {
	const char *base;
	size_t len; /* of the head, from base to behind its empty line */
	uint64_t present_[2]; /* one bit a field id */
	unsigned nfields;
	struct http_field fields[HTTP_MAX_FIELDS];
};

static inline struct str http_span(const struct http_head *head, struct http_span span)
{
	return (struct str){head->base + span.at, span.len};
}
static inline struct str http_field_name(const struct http_head *head, const struct http_field *f)
{
	return (struct str){head->base + f->name_at, f->name_len};
}
static inline struct str http_field_value(const struct http_head *head, const struct http_field *f)
{
	return (struct str){head->base + f->value_at, f->value_len};
}
static inline bool http_has(const struct http_head *head, enum http_field_id id)
{
	return head->present_[id / 64] >> (id % 64) & 1;
}

/* The id of a field name (any case), FIELD_OTHER if it is none of the table's. */
enum http_field_id http_field_id(struct str name);
/* The usual spelling, "Cache-Control". */
struct str http_field_id_name(enum http_field_id id);

/* The first field of that id, or NULL; the next one after `after` (NULL: from the start). */
const struct http_field *http_find(const struct http_head *head, enum http_field_id id);
const struct http_field *http_find_next(const struct http_head *head, enum http_field_id id,
					const struct http_field *after);
/* Takes all fields of an id out into out, as if they had not come: how many. More than max: none is
 * taken, and 0 returned. */
unsigned http_take_out(struct http_head *head, enum http_field_id id, struct http_field *out,
		       unsigned max);
/* Behind all others, where there is room for them again. */
void http_put_back(struct http_head *head, const struct http_field *fields, unsigned n);
/* By name, without case, for any field. */
const struct http_field *http_find_name(const struct http_head *head, struct str name,
					const struct http_field *after);
/* The value of the first one; STR_NONE (at NULL) when there is none. */
struct str http_value(const struct http_head *head, enum http_field_id id);

/* One element of a comma list over all fields of an id, quotes respected, blanks trimmed, empty
 * elements skipped. Start with a zeroed iterator. */
struct http_list {
	const struct http_field *field;
	struct str rest;
};
bool http_list_next(const struct http_head *head, enum http_field_id id, struct http_list *list,
		    struct str *element);
/* Is token (without case) among the elements? */
bool http_list_has(const struct http_head *head, enum http_field_id id, struct str token);

enum http_method {
	HTTP_OTHER = 0, /* a valid token that is none of these; see the span */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_CONNECT,
	HTTP_PATCH,
	HTTP_PURGE,
};
bool http_method_is_safe(enum http_method method);       /* RFC 9110 §9.2.1 */
bool http_method_is_idempotent(enum http_method method); /* §9.2.2 */

enum http_body {
	HTTP_BODY_NONE,    /* there is none */
	HTTP_BODY_LENGTH,  /* content_length bytes (may be 0) */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE,   /* a response that ends with its connection */
};

/* RFC 9112 §3.2. */
enum http_target_form {
	HTTP_TARGET_ORIGIN,    /* "/path?query" */
	HTTP_TARGET_ABSOLUTE,  /* "http://host/path": uri_parse takes it */
	HTTP_TARGET_AUTHORITY, /* CONNECT's "host:port" */
	HTTP_TARGET_ASTERISK,  /* OPTIONS' "*" */
};

struct http_request {
	struct http_head head;
	enum http_method method;
	struct http_span method_text, target;
	enum http_target_form target_form;
	bool has_blanks; /* in target, whose form and escapes are then unchecked (h1_limits) */
	uint8_t minor; /* HTTP/1.minor: 0 or 1 (a higher one reads as 1) */
	enum http_body body;
	uint64_t content_length;
	bool keep_alive;      /* what the client's Connection and version ask for */
	bool expect_continue; /* Expect: 100-continue, HTTP/1.1 */
};

struct http_response {
	struct http_head head;
	int status; /* 100-599 */
	struct http_span reason;
	uint8_t minor;
	enum http_body body; /* given the method it answers */
	uint64_t content_length;
	bool keep_alive;
	bool claims_keep_alive; /* so the head says, though the body may end with the connection */
};

/* "OK" for 200 and so on; "Unknown" for codes without a registered phrase. */
const char *http_reason(int status);

/* Hop-by-hop: Connection, what Connection names (but for the protected ones: Host, framing and
 * end-to-end fields that no peer may strip), Keep-Alive, Proxy-Connection, TE, Trailer,
 * Transfer-Encoding, Upgrade, Proxy-Authenticate, Proxy-Authorization. RFC 9110 §7.6.1. */
bool http_is_hop_by_hop(const struct http_head *head, const struct http_field *field);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/revalidate.h: conditional requests, both ways. RFC 9110 §13, RFC 9111 §4.3.
 *
 * Answers a client's conditions from a stored response, asks the origin whether a stored one still
 * holds, and makes a new head of the old one and a 304.
 * Threads: pure functions over objects whose head is known. */
#ifndef CACHE_REVALIDATE_H
#define CACHE_REVALIDATE_H
#include <stdbool.h>
#include <stdint.h>

#include "cache/freshness.h"
#include "lib/base/buf.h"
#include "lib/http/message.h"

struct object; /* cache/object.h */

enum revalidate_answer {
	REVALIDATE_SEND_WHOLE, /* no condition, or it holds: the stored status and body */
	REVALIDATE_SEND_304,
	REVALIDATE_SEND_412,
};

/* GET and HEAD on a stored 200, in the order of RFC 9110 §13.2.2; other stored statuses are sent
 * as they are (§13.2.1). */
enum revalidate_answer revalidate_answer(const struct http_request *request,
					 const struct object *object);

/* RFC 9110 §13.1.5: does If-Range let a Range be answered (true also without If-Range)? A stored
 * response with a Content-Range of its own, which would stand beside ours, is sent whole. */
bool revalidate_range_holds(const struct http_request *request, const struct object *object);
/* Does If-Range name a date, which all codings of a body have in common? */
bool revalidate_range_is_dated(const struct http_request *request);

/* What If-Range may name to ask for more of the stored representation: its strong entity tag, or,
 * where it has no tag at all, its Last-Modified if that is strong (RFC 9110 §8.8.2.2, §13.1.5). A
 * part of the object's head; at NULL: it has neither. */
struct str revalidate_strong_validator(const struct object *object);

/* Are response and the stored one parts of the same representation, by that validator? RFC 9111
 * §3.4, RFC 9110 §15.3.7.3. */
bool revalidate_is_same_strongly(const struct object *object, const struct http_response *response);

/* "If-Modified-Since: ...\r\nIf-None-Match: ...\r\n" for the origin: Last-Modified or else the
 * stored Date, and the ETags, weak ones too, of it and of the other variants (RFC 9111 §4.3.1).
 * object NULL: none of them answers the request as yet, so that there is no date. */
void revalidate_request_fields(const struct object *object, struct object *const *others,
			       unsigned nothers, struct buf *out);
bool revalidate_has_etag(const struct object *object);

/* Does a 304 speak of this one, among several (RFC 9111 §4.3.4)? By its ETag; without one,
 * never. */
bool revalidate_is_meant(const struct object *object, const struct http_response *not_modified);

enum revalidate_merge {
	REVALIDATE_MERGED,   /* *new_head and *facts describe the renewed object */
	REVALIDATE_IGNORED,  /* the 304 is older than what is stored: keep that as it is */
	REVALIDATE_MISMATCH, /* it speaks of another representation: fetch anew */
};

/* The stored head with the 304's fields in place of its own (RFC 9111 §3.2), but for those that
 * describe the stored bytes: Content-Length, -Encoding, -Range, -MD5, Transfer-Encoding, Vary; and
 * without 1xx Warnings. Shape as object_head.head. On anything but MERGED, new_head and facts are
 * untouched. */
enum revalidate_merge revalidate_merge(const struct object *old,
				       const struct freshness_arrival *not_modified,
				       struct buf *new_head, struct freshness_facts *facts);

/* RFC 9111 §4.3.5: may a 200 to HEAD renew the stored response, as a 304 would (revalidate_merge)?
 * Where it names a validator or a length, they are the stored ones. */
bool revalidate_head_matches(const struct object *old, const struct http_response *head_answer);

/* The head of a 304 to a client: its status line and, of the stored fields, those that RFC 9110
 * §15.4.5 names and those that guide a cache. Shape as object_head.head. */
void revalidate_304_head(const struct object *object, struct buf *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/h2.h: HTTP/2's lists of fields as HTTP/1's heads, and back. RFC 9113 §8.
 *
 * A request's fields become the head that HTTP/1 would have sent, for h1_parse_request to judge: so
 * one reader decides what a request means. Only what is HTTP/2's own is judged here. No frames, no
 * HPACK: those are a library's. Threads: any, one owner at a time. */
#ifndef HTTP_H2_H
#define HTTP_H2_H
#include "lib/base/buf.h"
#include "lib/base/str.h"

enum h2_verdict {
	H2_OK,
	H2_MALFORMED, /* RFC 9113 §8.1.1: a stream error */
	H2_TOO_LARGE, /* from now on fields are only counted (list_bytes) */
};

enum { H2_PSEUDO_FIELDS = 5 }; /* :method, :scheme, :path, :authority, :protocol */

/* Zeroed means: nothing is held. */
struct h2_request {
	struct buf text;    /* what h2_request_end completes: a request's head as HTTP/1 has it */
	/* RFC 8441 §4: CONNECT with :protocol; text has the GET with Upgrade that it stands for
	 * (§5). */
	bool is_extended_connect;
	size_t list_bytes;  /* of the fields as RFC 9113 §6.5.2 counts them */
	/* private */
	struct buf pseudo_;  /* the values, one behind the other */
	struct buf cookies_; /* the crumbs, joined */
	struct {
		size_t at, len;
		bool is_there;
	} spans_[H2_PSEUDO_FIELDS];
	bool has_begun_; /* the request line is written: no pseudo field may follow */
	bool is_too_large_;
};

/* For the next request; max_bytes: of text. Memory is kept. */
void h2_request_begin(struct h2_request *request, size_t max_bytes);
/* Frees all bytes; it may be used again. */
void h2_request_fini(struct h2_request *request);

/* The next field; both texts are copied. MALFORMED is final. */
enum h2_verdict h2_request_add(struct h2_request *request, struct str name, struct str value);
/* All fields are there: text ends in its empty line. TOO_LARGE: text is a part, maybe empty. */
enum h2_verdict h2_request_end(struct h2_request *request);

/* May a trailer field have that name? RFC 9110 §6.5.1: none that frames or routes. */
bool h2_may_be_trailer(struct str name);

/* The next field of a response, of the lines from *at on up to end or an empty line, the status
 * line not among them. *at passes it; its name is made lower case in place. What belongs to an
 * HTTP/1 connection is passed over. False: there are no more, and *at lies behind the empty
 * line. */
struct h2_field {
	char *name;
	size_t name_len;
	struct str value;
};
bool h2_response_next(char **at, char *end, struct h2_field *out);

#endif

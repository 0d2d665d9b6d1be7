/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/vary.h: which requests a stored response answers. RFC 9111 §4.1.
 *
 * The record of a variant is a text, one line for each field that the response's Vary names, lower
 * case, in the order of Vary, each once:
 *     accept-encoding: gzip,br
 *     accept-language          (no colon: the request had no such field)
 * Several fields of a name are joined by a comma; blanks around commas and at the ends are gone. Of
 * Accept-Encoding and Accept-Language, where the order says nothing, the elements are sorted, in
 * lower case, without blanks, each once (unless there are too many of them).
 * Memory compares it, and it is what people read in the database. An empty record suits any
 * request. Threads: pure functions. */
#ifndef CACHE_VARY_H
#define CACHE_VARY_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/http/message.h"

enum { VARY_MAX_NAMES = 32, VARY_MAX_BYTES = 8192 };

/* request: the head as the origin got it, since that is what it chose by. False: no record can say
 * it (`Vary: *`, a broken name, too many names, too long), so do not store. Appends to out. */
bool vary_record(const struct http_response *response, const struct http_head *request,
		 struct buf *out);

/* The same names with the values of another request, which the same response answers. Appends to
 * out. */
bool vary_record_again(struct str record, const struct http_head *request, struct buf *out);

/* Does the variant with this record answer the request? */
bool vary_matches(struct str record, const struct http_head *request);

#endif

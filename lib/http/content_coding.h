/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/content_coding.h: which content codings a client takes. RFC 9110 §8.4.1, §12.4.2,
 * §12.5.3. Threads: pure functions. */
#ifndef HTTP_CONTENT_CODING_H
#define HTTP_CONTENT_CODING_H
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/http/message.h"

enum content_coding {
	CODING_IDENTITY,
	CODING_GZIP,
	CODING_BROTLI,
	CODINGS,      /* those that we know */
	CODING_OTHER, /* another one, or several */
};

/* "gzip", "br"; "identity" is never written into Content-Encoding. */
struct str content_coding_name(enum content_coding coding);
/* The whole value of a Content-Encoding; empty: identity. */
enum content_coding content_coding_of(struct str value);

/* What Accept-Encoding says, in thousandths: 0 is "not acceptable". */
struct coding_wishes {
	uint16_t weights[CODINGS];
};

/* A request without the field wants identity. Elements that are no codings with a weight are passed
 * over; identity that is not named is acceptable, and comes after all that is. */
void coding_wishes_read(const struct http_head *request, struct coding_wishes *wishes);

static inline bool coding_is_wanted(const struct coding_wishes *wishes, enum content_coding coding)
{
	return coding < CODINGS && wishes->weights[coding] > 0;
}

/* The one with the greatest weight of those in among (a bit each, 1 << CODING_…); of equal ones the
 * one that makes it smallest. CODING_OTHER: none is acceptable. */
enum content_coding coding_choose(const struct coding_wishes *wishes, unsigned among);

#endif

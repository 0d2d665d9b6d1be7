/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/range.h: which bytes a Range request gets of a body whose length is known. RFC 9110 §14.
 * Threads: pure functions. */
#ifndef CACHE_RANGE_H
#define CACHE_RANGE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum { RANGE_MAX_PIECES = 16 };

struct range_piece {
	uint64_t first, len; /* len > 0 */
};

enum range_verdict {
	RANGE_WHOLE,         /* no range, another unit, or not worth it: a 200 */
	RANGE_PARTIAL,       /* a 206 of these pieces, more than one as multipart/byteranges */
	RANGE_UNSATISFIABLE, /* a 416, with the length in its Content-Range */
};

struct range_plan {
	enum range_verdict verdict;
	unsigned npieces;
	struct range_piece pieces[RANGE_MAX_PIECES];
};

/* value: of the Range field, at NULL when there is none. RANGE_WHOLE, as Squid does it, also for
 * what is malformed, out of order, overlapping, or of more than RANGE_MAX_PIECES pieces (RFC 9110
 * §14.2 lets a server ignore those; they are what attacks are made of). */
void range_plan(struct str value, uint64_t body_bytes, struct range_plan *plan);

/* The lowest position that the field asks for. False: it asks for the end of the body, or is not in
 * order. */
bool range_lowest(struct str value, uint64_t *first);

/* What a 206 with one part carries: bytes first to last of length. RFC 9110 §14.4. */
struct content_range {
	uint64_t first, last, length; /* first <= last < length */
};

/* "bytes FIRST-LAST/LENGTH". False, *out untouched: anything else, also an unknown length ("*") and
 * the form of a 416. */
bool content_range_read(struct str value, struct content_range *out);

#endif

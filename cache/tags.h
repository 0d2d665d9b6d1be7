/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/tags.h: the tags that an origin gave a response, by which it can be purged: the words of
 * its Surrogate-Key fields (apart by white space) and Cache-Tag fields (apart by commas). Case
 * counts.
 *
 * Pure functions, any thread. */
#ifndef CACHE_TAGS_H
#define CACHE_TAGS_H
#include "lib/base/buf.h"

enum { TAGS_MAX_BYTES = 16384 }; /* of all tags of a response, with a SP each */

/* Appends each tag and a SP to out (bounded by TAGS_MAX_BYTES), once each time it is given. head: a
 * status line and fields, each with its CRLF. False: too many, or white space within one
 * (Cache-Tag); such a response could not be purged as its origin expects. */
bool tags_read(struct str head, struct buf *out);

/* Is tag one of them? */
bool tags_have(struct str head, struct str tag);

#endif

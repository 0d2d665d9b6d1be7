/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/coding.h: a response in another content coding (gzip, brotli, none): what its head says of
 * that, and how it becomes that of another one. RFC 9110 §8.4, §8.8.3.3; RFC 9111 §4.1.
 *
 * Heads have the shape of object_head.head. Another coding of a stored response hangs on its object
 * (object_add_coded): it is found with it, is as fresh as it is, and goes with it.
 * Threads: pure functions. */
#ifndef CACHE_CODING_H
#define CACHE_CODING_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/http/content_coding.h"

struct object; /* cache/object.h */

struct coding_facts {
	enum content_coding coding;
	bool must_stay;  /* Cache-Control: no-transform */
	bool has_vary;   /* Vary names Accept-Encoding, or is a star */
	struct str type; /* Content-Type without parameters; at NULL: none. Lies in head. */
};

/* head: object_head.head; facts borrows from it. */
void coding_facts_read(struct str head, struct coding_facts *facts);

/* Content-Length among fields without a status line (object_head.head_once); -1: not said. */
int64_t coding_said_length(struct str lines);

/* head for the same response in coding: Content-Encoding said so, Vary with Accept-Encoding, a
 * strong ETag with a tag of its own ("x" becomes "x-gzip"; a weak one holds for all codings),
 * without what tells of the former bytes (digests, Accept-Ranges, a length). Appends to out. */
void coding_write_head(struct str head, enum content_coding coding, struct buf *out);

/* Fields without a status line (object_head.head_once), without what tells of the former bytes. */
void coding_write_fields(struct str lines, struct buf *out);

/* The same codings for renewed as old has, with renewed's head: what a 304 said holds for them too.
 * Before renewed is shared. */
void coding_carry(const struct object *old, struct object *renewed);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/h1_internal.h: what requests and responses share: lines, fields, framing.
 *
 * The verdict on some bytes must not depend on how they arrived, so each rule is about the bytes
 * alone: lines are judged in order, a whole line by h1_refuse_line's order of faults, a begun one
 * only for a CR that no LF follows, and the whole head when its empty line is there. */
#ifndef HTTP_H1_INTERNAL_H
#define HTTP_H1_INTERNAL_H
#include "lib/http/h1.h"

struct h1_cursor {
	const char *at;  /* the start of the line to be read */
	const char *end; /* of what may be looked at: of the bytes, or the limit */
	char *foldable;  /* the same bytes, writable, where obs-fold is allowed; else NULL */
	enum h1_error error;
	uint64_t repeated[2]; /* one bit for each field id seen twice */
};

static inline enum h1_verdict h1_fail(struct h1_cursor *cursor, enum h1_error error)
{
	cursor->error = error;
	return H1_ERROR;
}

/* Should the bytes be read now? False: H1_MORE, without a look at the lines. */
bool h1_is_worth_reading(struct h1_parser *parser, const char *bytes, size_t len);

/* Begins a head of at most limit bytes. */
void h1_open(struct h1_cursor *cursor, struct http_head *head, const char *bytes, size_t len,
             uint32_t limit);

/* Ends a call: an unfinished head that fills its limit is an error; parser is told the rest. */
enum h1_verdict h1_close(struct h1_parser *parser, const struct h1_cursor *cursor,
                         enum h1_verdict verdict, size_t len, uint32_t limit);

/* The line at the cursor is not good: H1_MORE if it is not whole yet. Else H1_ERROR: a bare CR or
 * LF counts first, then `otherwise`. */
enum h1_verdict h1_refuse_line(struct h1_cursor *cursor, enum h1_error otherwise);

/* All field lines and the empty one; H1_DONE sets head->len. */
enum h1_verdict h1_read_fields(struct h1_cursor *cursor, struct http_head *head);

/* What several fields say together about the body. */
struct h1_framing {
	bool has_length, is_chunked;
	uint64_t length;
};
/* minor: of the HTTP version. Equal Content-Length fields are merged if may_merge. */
enum h1_error h1_read_framing(struct h1_cursor *cursor, struct http_head *head, unsigned minor,
                              bool may_merge, struct h1_framing *out);

/* Does the connection persist, as far as version and Connection say? */
bool h1_keeps_alive(const struct http_head *head, unsigned minor);

/* Takes the field out of the head; the bytes stay. */
void h1_drop_field(struct http_head *head, const struct http_field *field);

static inline bool h1_is_repeated(const struct h1_cursor *cursor, enum http_field_id id)
{
	return cursor->repeated[id / 64] >> (id % 64) & 1;
}

#endif

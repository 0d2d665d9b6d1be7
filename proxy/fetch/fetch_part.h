/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/fetch_part.h: partial answers of an origin (206): kept as stretches of a partial
 * (cache/partial.h), and asked for where a stored one lacks something. RFC 9111 §3.3, §3.4; RFC
 * 9110 §13.1.5, §15.3.7. Threads: one worker's, as part of a fetch. */
#ifndef PROXY_FETCH_PART_H
#define PROXY_FETCH_PART_H
#include <stdbool.h>

#include "cache/partial.h"
#include "lib/http/message.h"

struct buf;
struct fetch_order;
struct fetch_report;
struct object;
struct object_head;

/* What is stored of a response, and the one stretch that the origin is asked for to answer from
 * both. */
struct fetch_fill {
	struct partial *partial;     /* a reference of whose struct this is; NULL: nothing to fill */
	struct partial_span window;  /* what the answer's object is to hold, */
	struct partial_span missing; /* and from where to where it lacks something: within window */
	int status;                  /* of the answer: 206, or 200 with a window of all */
};

/* A partial answer that is to be kept; in struct fetch_storing. */
struct fetch_part {
	struct object *about; /* see struct partial; NULL: there is none */
	struct partial_span span;
	uint64_t length;
};

/* "Range: ...\r\nIf-Range: ...\r\n" */
void fetch_part_write_request(const struct fetch_fill *fill, struct buf *out);

/* Is it a 206 of exactly what was missing, of the same representation? */
bool fetch_part_fits(const struct fetch_fill *fill, const struct http_response *response);

/* What the origin was asked for lies between what these two append. */
void fetch_part_append_before(const struct fetch_fill *fill, struct object *object);
void fetch_part_append_behind(const struct fetch_fill *fill, struct object *object);

/* order->fill is filled by response: its head, facts, status, length and Vary record go to head.
 * lines holds head->head then, and "Content-Range" is appended to once if the status is 206. */
void fetch_part_merge(const struct fetch_order *order, const struct http_response *response,
                      const struct fetch_report *report, struct object_head *head,
                      struct buf *lines, struct buf *once);

/* A 206 that may be stored begins, with that head. True: *part says how; the object keeps its body
 * then. */
bool fetch_part_begin(struct fetch_part *part, const struct fetch_order *order,
                      const struct http_response *response, const struct fetch_report *report,
                      const struct object_head *head);

/* The object is complete: it becomes a stretch; what is whole by that becomes an object like
 * any. */
void fetch_part_finish(struct fetch_part *part, const struct fetch_order *order,
                       struct object *object);
/* The object, kept so far, is about to be cut short: what came of it stays as a stretch, if the
 * rest may be asked for later. Also for one that was to be whole (part is empty). RFC 9111 §3.3. */
void fetch_part_salvage(struct fetch_part *part, const struct fetch_order *order,
                        struct object *object);
/* It is not kept after all. */
void fetch_part_drop(struct fetch_part *part);

#endif

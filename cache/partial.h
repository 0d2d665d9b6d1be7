/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/partial.h: what is stored of a response that is not whole. RFC 9111 §3.3, §3.4; RFC 9110
 * §15.3.7.
 *
 * A partial is one representation: the newest head of it, its whole length, and the stretches of
 * its body that came so far. It answers ranges that lie within them, and is never taken for the
 * whole; what is missing may be asked for where it has a strong validator.
 *
 * Threads: immutable once made, and counted: adding a stretch makes a new one. Any thread. */
#ifndef CACHE_PARTIAL_H
#define CACHE_PARTIAL_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

struct object; /* cache/object.h */

enum {
	PARTIAL_MAX_STRETCHES = 64,
	PARTIAL_JOIN_BYTES = 1 << 20, /* what adjoins and is no longer than this becomes one */
};

/* Bytes [first, first + len) of the body. */
struct partial_span {
	uint64_t first, len;
};

struct partial_stretch {
	struct partial_span span;
	uint64_t skip;         /* where they begin in object's body */
	struct object *object; /* whole (object_is_whole); a reference */
};

struct partial {
	atomic_uint refs_;
	struct object *about; /* status 206, without a body: head, facts, URL, Vary record; a
	                         reference */
	uint64_t length;      /* of the whole representation, > 0 */
	unsigned removals;    /* index_removals of its key as it was asked for */
	size_t memory_bytes;
	unsigned nstretches;
	struct partial_stretch stretches[PARTIAL_MAX_STRETCHES]; /* in order, not overlapping */
	/* the table's, under its lock (cache/partial_table.c) */
	struct {
		struct partial *next;
		struct list node;
		uint64_t key;
	} table_;
};

/* A stretch that came. References are taken of about and object where it is added. */
struct partial_addition {
	struct object *about; /* see struct partial, as are the next two */
	uint64_t length;
	unsigned removals;
	struct partial_span span;
	struct object *object; /* its body, from the beginning on, are these bytes */
};

/* What old (NULL: nothing) and a new stretch make. They are of the same representation (the caller
 * compared their validators). Where both have a byte, the new one counts. With more stretches than
 * there is room for, only the new one stays. The caller gets a reference. */
struct partial *partial_create(const struct partial *old, const struct partial_addition *addition);
struct partial *partial_ref(struct partial *partial);
void partial_unref(struct partial *partial); /* accepts NULL */

/* From the first to the last byte of wanted that is not there. False: all of it is. */
bool partial_missing(const struct partial *partial, const struct partial_span *wanted,
		     struct partial_span *missing);

static inline struct partial_span partial_all(const struct partial *partial)
{
	return (struct partial_span){0, partial->length};
}

/* An object with partial's head and, from *offset on, the bytes of wanted, all of which are there
 * (partial_missing is false). status: 206; or 200 with a wanted of all, for the whole. The body is
 * shared if one stretch has it, else copied. A reference, the caller's. */
struct object *partial_object(const struct partial *partial, int status,
			      const struct partial_span *wanted, uint64_t *offset);

/* A whole object with about's head and the first len bytes of from, which has them all still. */
struct object *partial_copy(const struct object *about, struct object *from, uint64_t len);

/* Appends the bytes of span, all of which are there, to an object that is being produced. */
void partial_append(const struct partial *partial, const struct partial_span *span,
		    struct object *into);

#endif

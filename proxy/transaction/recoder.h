/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/recoder.h: makes of an object the same in another content coding: a reader of
 * one that is the producer of another. A worker's recoders take turns, a piece of 16 KiB in each
 * turn of the loop, so that a large body does not hold up who else is served.
 *
 * The other object stays with the first (object_add_coded), if that is kept in memory and it is
 * small enough; else it is relayed. When nobody reads it any more, it is finished only if the first
 * one is whole. Threads: one worker's. */
#ifndef PROXY_RECODER_H
#define PROXY_RECODER_H
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/http/content_coding.h"
#include "lib/net/loop.h"

struct object;
struct recoder; /* opaque */
struct worker;

enum { RECODERS_MAX = 16 }; /* of a worker, at a time: some 3 MiB each for brotli */

/* A worker's, and embedded in it. */
struct recoders {
	struct list all_;
	struct list due_;
	unsigned n_;
	struct loop_task task_; /* one piece for the first that is due */
};
void recoders_init(struct recoders *recoders);
/* Nobody reads what they make any more. */
void recoders_stop_all(struct worker *worker);

struct recoder_order {
	struct worker *worker;
	struct object *from;         /* its head is known */
	enum content_coding coding;  /* from's; identity: it is packed, else unpacked */
	enum content_coding wanted;
	int level;                   /* for packing */
	uint64_t max_kept_bytes;     /* more is not kept */
	uint64_t gap_bytes;          /* how far it may be ahead of its slowest reader */
};

/* The object that is being made already of from on this worker, for others to read (borrowed);
 * NULL: none. */
struct object *recoder_find(const struct worker *worker, const struct object *from,
			    enum content_coding wanted);

/* Not started yet: what its object has is its head. NULL: too many are at work. */
struct recoder *recoder_create(const struct recoder_order *order);
struct object *recoder_object(const struct recoder *recoder); /* borrowed */
/* From now on it lives by itself. While from can still be read from its beginning on; the object's
 * first reader comes before the loop goes on. */
void recoder_start(struct recoder *recoder);
/* One that was not started. Accepts NULL. */
void recoder_destroy(struct recoder *recoder);

#endif

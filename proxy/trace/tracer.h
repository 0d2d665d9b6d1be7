/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/trace/tracer.h: who looks at requests while they are served (`bobtailctl trace`). Each
 * watch wants some of them and has a ring of bounded size for their lines: what does not fit is
 * lost, and counted, so that no request ever waits for its onlookers. While nobody looks, a request
 * costs one relaxed load.
 *
 * Threads: any. Watches are counted: a request that is told about holds those that want it. */
#ifndef PROXY_TRACER_H
#define PROXY_TRACER_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/lock.h"
#include "lib/base/str.h"

struct regex; /* squid-compat/regex.h */
struct tracer_watch; /* opaque */

enum {
	TRACER_MAX_WATCHES = 4,
	TRACER_MAX_TERMS = 6,
	TRACER_RING_BYTES = 256 << 10,
	TRACER_MAX_LINE_BYTES = 16 << 10, /* longer ones are lost */
};

struct tracer {
	atomic_uint nopen; /* relaxed: who sees a change late tells of a request more or less */
	atomic_uint_least64_t nrequests; /* numbers for those that are told about */
	struct {
		struct lock lock;
		struct tracer_watch *watches[TRACER_MAX_WATCHES];
	} shared;
};

void tracer_init(struct tracer *tracer);
void tracer_fini(struct tracer *tracer); /* no watch is open any more */

static inline bool tracer_is_on(const struct tracer *tracer)
{
	return atomic_load_explicit(&tracer->nopen, memory_order_relaxed) > 0;
}

/* What a watch wants: all that is set has to hold. */
struct tracer_wish {
	struct regex *url;               /* NULL: any; the watch destroys it */
	struct str terms[TRACER_MAX_TERMS]; /* "[!]NAME" of an ACL; copied */
	unsigned nterms;
	bool is_summary; /* one line as a request ends, instead of all */
};

/* A reference for its maker, which tracer_close drops. NULL: there are too many; wish->url is
 * freed. */
struct tracer_watch *tracer_open(struct tracer *tracer, const struct tracer_wish *wish);
void tracer_close(struct tracer *tracer, struct tracer_watch *watch); /* accepts NULL */

/* All that are open, a reference to each: how many. */
unsigned tracer_take(struct tracer *tracer, struct tracer_watch *out[TRACER_MAX_WATCHES]);
void tracer_watch_unref(struct tracer_watch *watch);
const struct tracer_wish *tracer_watch_wish(const struct tracer_watch *watch);

/* A line without LF, which is added. */
void tracer_watch_add(struct tracer_watch *watch, struct str line);

/* Appends whole lines, about max_bytes of them, oldest first; *nlost: how many were lost since it
 * was asked last. */
void tracer_watch_read(struct tracer_watch *watch, size_t max_bytes, struct buf *out,
                       uint64_t *nlost);

#endif

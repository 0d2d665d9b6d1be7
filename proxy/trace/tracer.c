/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/trace/tracer.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/regex.h"

/* Counted; wish is immutable, the ring is guarded. */
struct tracer_watch {
	atomic_uint nrefs;
	struct tracer_wish wish;
	struct {
		struct lock lock;
		char *ring;
		size_t at, len; /* the oldest byte, and how many there are */
		uint64_t nlost;
		bool is_closed;
	} shared;
};

void tracer_init(struct tracer *tracer)
{
	*tracer = (struct tracer){0};
	lock_init(&tracer->shared.lock);
}

void tracer_fini(struct tracer *tracer)
{
	check(!tracer_is_on(tracer));
	lock_fini(&tracer->shared.lock);
}

static struct tracer_watch *create(const struct tracer_wish *wish)
{
	struct tracer_watch *watch = mem_zalloc(sizeof(*watch));

	watch->wish = *wish;
	for (unsigned i = 0; i < wish->nterms; i++)
		watch->wish.terms[i] = str_of(str_dup(wish->terms[i]));
	atomic_init(&watch->nrefs, 1);
	lock_init(&watch->shared.lock);
	watch->shared.ring = mem_alloc(TRACER_RING_BYTES);
	return watch;
}

void tracer_watch_unref(struct tracer_watch *watch)
{
	/* Pairs with itself: whoever frees sees what the others did. */
	if (!watch || atomic_fetch_sub_explicit(&watch->nrefs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < watch->wish.nterms; i++)
		mem_free((char *)watch->wish.terms[i].at);
	regex_destroy(watch->wish.url);
	lock_fini(&watch->shared.lock);
	mem_free(watch->shared.ring);
	mem_free(watch);
}

/* Puts to where from is; false: it is nowhere. */
static bool replace(struct tracer *tracer, const struct tracer_watch *from, struct tracer_watch *to)
{
	bool is_done = false;

	lock_take(&tracer->shared.lock);
	for (unsigned i = 0; i < TRACER_MAX_WATCHES && !is_done; i++)
		if (tracer->shared.watches[i] == from) {
			tracer->shared.watches[i] = to;
			is_done = true;
		}
	lock_drop(&tracer->shared.lock);
	return is_done;
}

struct tracer_watch *tracer_open(struct tracer *tracer, const struct tracer_wish *wish)
{
	struct tracer_watch *watch = create(wish);

	if (!replace(tracer, NULL, watch)) {
		tracer_watch_unref(watch);
		return NULL;
	}
	atomic_fetch_add_explicit(&tracer->nopen, 1, memory_order_relaxed);
	return watch;
}

void tracer_close(struct tracer *tracer, struct tracer_watch *watch)
{
	if (!watch)
		return;
	atomic_fetch_sub_explicit(&tracer->nopen, 1, memory_order_relaxed);
	replace(tracer, watch, NULL);
	lock_take(&watch->shared.lock);
	watch->shared.is_closed = true;
	lock_drop(&watch->shared.lock);
	tracer_watch_unref(watch);
}

unsigned tracer_take(struct tracer *tracer, struct tracer_watch *out[TRACER_MAX_WATCHES])
{
	unsigned n = 0;

	lock_take(&tracer->shared.lock);
	for (unsigned i = 0; i < TRACER_MAX_WATCHES; i++) {
		struct tracer_watch *watch = tracer->shared.watches[i];

		if (!watch)
			continue;
		atomic_fetch_add_explicit(&watch->nrefs, 1, memory_order_relaxed);
		out[n++] = watch;
	}
	lock_drop(&tracer->shared.lock);
	return n;
}

const struct tracer_wish *tracer_watch_wish(const struct tracer_watch *watch)
{
	return &watch->wish;
}

/* ---- the ring */

static void put_locked(struct tracer_watch *watch, struct str bytes)
{
	size_t at = (watch->shared.at + watch->shared.len) % TRACER_RING_BYTES;
	size_t first = TRACER_RING_BYTES - at;

	lock_check_held(&watch->shared.lock);
	if (first > bytes.len)
		first = bytes.len;
	memcpy(watch->shared.ring + at, bytes.at, first);
	memcpy(watch->shared.ring, bytes.at + first, bytes.len - first);
	watch->shared.len += bytes.len;
}

void tracer_watch_add(struct tracer_watch *watch, struct str line)
{
	lock_take(&watch->shared.lock);
	if (watch->shared.is_closed) {
		lock_drop(&watch->shared.lock);
		return;
	}
	if (line.len > TRACER_MAX_LINE_BYTES ||
	    line.len + 1 > TRACER_RING_BYTES - watch->shared.len) {
		watch->shared.nlost++;
	} else {
		put_locked(watch, line);
		put_locked(watch, STR("\n"));
	}
	lock_drop(&watch->shared.lock);
}

/* The end of the last line within max_bytes, or of the first one: 0 if there is none. */
static size_t whole_lines_locked(const struct tracer_watch *watch, size_t max_bytes)
{
	size_t whole = 0;

	lock_check_held(&watch->shared.lock);
	for (size_t i = 0; i < watch->shared.len && (i < max_bytes || whole == 0); i++)
		if (watch->shared.ring[(watch->shared.at + i) % TRACER_RING_BYTES] == '\n')
			whole = i + 1;
	return whole;
}

void tracer_watch_read(struct tracer_watch *watch, size_t max_bytes, struct buf *out,
                       uint64_t *nlost)
{
	char *room = buf_reserve(out, max_bytes + TRACER_MAX_LINE_BYTES + 1);
	size_t n, first;

	if (!room)
		return;
	lock_take(&watch->shared.lock);
	n = whole_lines_locked(watch, max_bytes);
	first = TRACER_RING_BYTES - watch->shared.at;
	if (first > n)
		first = n;
	memcpy(room, watch->shared.ring + watch->shared.at, first);
	memcpy(room + first, watch->shared.ring, n - first);
	watch->shared.at = (watch->shared.at + n) % TRACER_RING_BYTES;
	watch->shared.len -= n;
	*nlost = watch->shared.nlost;
	watch->shared.nlost = 0;
	lock_drop(&watch->shared.lock);
	out->len += n;
}

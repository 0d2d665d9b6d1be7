/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/partial.h"

#include "cache/object.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/http/message.h"

enum { COPY_PIECES = 8, HEAD_MAX_BYTES = 1 << 20 };

static uint64_t end_of(const struct partial_span *span)
{
	return span->first + span->len;
}

/* ---- copying */

static void append_from(struct object *from, uint64_t skip, uint64_t len, struct object *into)
{
	struct object_reader reader = {0};
	struct iovec iov[COPY_PIECES];
	int niov;

	object_reader_open(&reader, from, skip, NULL, NULL, NULL);
	while (len > 0 && object_read(&reader, iov, COPY_PIECES, len, &niov) == OBJECT_READ_DATA) {
		for (int i = 0; i < niov; i++) {
			object_append(into, (struct str){iov[i].iov_base, iov[i].iov_len});
			object_reader_advance(&reader, iov[i].iov_len);
			len -= iov[i].iov_len;
		}
	}
	object_reader_close(&reader);
	check(len == 0);
}

void partial_append(const struct partial *partial, const struct partial_span *span,
		    struct object *into)
{
	uint64_t at = span->first;

	for (unsigned i = 0; i < partial->nstretches && at < end_of(span); i++) {
		const struct partial_stretch *stretch = &partial->stretches[i];
		uint64_t end = end_of(&stretch->span);

		if (end <= at)
			continue;
		check(stretch->span.first <= at);
		if (end > end_of(span))
			end = end_of(span);
		append_from(stretch->object, stretch->skip + (at - stretch->span.first), end - at,
			    into);
		at = end;
	}
	check(at >= end_of(span));
}

/* ---- making one of an old one and a stretch */

static void add_stretch(struct partial *partial, const struct partial_stretch *from,
			uint64_t first, uint64_t end)
{
	partial->stretches[partial->nstretches++] = (struct partial_stretch){
		.span = {first, end - first},
		.skip = from->skip + (first - from->span.first),
		.object = object_ref(from->object),
	};
}

/* What of old lies in [from, to). False: there is no room. */
static bool add_within(struct partial *partial, const struct partial *old, uint64_t from,
		       uint64_t to)
{
	for (unsigned i = 0; i < old->nstretches; i++) {
		const struct partial_stretch *stretch = &old->stretches[i];
		uint64_t first = stretch->span.first, end = end_of(&stretch->span);

		if (first < from)
			first = from;
		if (end > to)
			end = to;
		if (first >= end)
			continue;
		if (partial->nstretches == PARTIAL_MAX_STRETCHES)
			return false;
		add_stretch(partial, stretch, first, end);
	}
	return true;
}

static void drop_stretches(struct partial *partial)
{
	for (unsigned i = 0; i < partial->nstretches; i++)
		object_unref(partial->stretches[i].object);
	partial->nstretches = 0;
}

static void fill_stretches(struct partial *partial, const struct partial *old,
			   const struct partial_stretch *fresh)
{
	uint64_t first = fresh->span.first, end = end_of(&fresh->span);

	if (old && add_within(partial, old, 0, first) &&
	    partial->nstretches < PARTIAL_MAX_STRETCHES) {
		add_stretch(partial, fresh, first, end);
		if (add_within(partial, old, end, UINT64_MAX))
			return;
	}
	drop_stretches(partial);
	add_stretch(partial, fresh, first, end);
}

/* An object to be filled with len bytes and finished. */
static struct object *begin_copy(const struct object *about, int status, struct str head,
				 uint64_t len)
{
	struct object *copy = object_create(NULL, NULL, NULL, 0);

	object_keep(copy, true);
	object_set_head(copy, &(struct object_head){
				      .status = status,
				      .head = head,
				      .url = about->url,
				      .vary = about->vary,
				      .facts = about->facts,
				      .body_bytes = (int64_t)len,
			      });
	return copy;
}

static struct object *copy_of(const struct partial *partial, int status, struct str head,
			      const struct partial_span *span)
{
	struct object *copy = begin_copy(partial->about, status, head, span->len);

	partial_append(partial, span, copy);
	object_finish(copy);
	return copy;
}

struct object *partial_copy(const struct object *about, struct object *from, uint64_t len)
{
	struct object *copy = begin_copy(about, 206, about->head, len);

	append_from(from, 0, len, copy);
	object_finish(copy);
	return copy;
}

static bool may_join(const struct partial_stretch *a, const struct partial_stretch *b)
{
	return end_of(&a->span) == b->span.first &&
	       a->span.len + b->span.len <= PARTIAL_JOIN_BYTES;
}

/* Many small stretches in a row, as players and downloaders ask for, become few. */
static void join_neighbours(struct partial *partial)
{
	unsigned i = 0;

	while (i + 1 < partial->nstretches) {
		struct partial_stretch *a = &partial->stretches[i], *b = a + 1;
		struct partial_span both = {a->span.first, a->span.len + b->span.len};
		struct object *copy;

		if (!may_join(a, b)) {
			i++;
			continue;
		}
		copy = copy_of(partial, 206, partial->about->head, &both);
		object_unref(a->object);
		object_unref(b->object);
		*a = (struct partial_stretch){.span = both, .object = copy};
		partial->nstretches--;
		memmove(b, b + 1, (partial->nstretches - i - 1) * sizeof(*b));
	}
}

static size_t count_bytes(const struct partial *partial)
{
	size_t bytes = sizeof(*partial) + object_memory_bytes(partial->about);

	for (unsigned i = 0; i < partial->nstretches; i++)
		bytes += object_memory_bytes(partial->stretches[i].object);
	return bytes;
}

struct partial *partial_create(const struct partial *old, const struct partial_addition *addition)
{
	struct partial *partial = mem_zalloc(sizeof(*partial));
	const struct partial_stretch fresh = {.span = addition->span, .object = addition->object};
	const struct partial_span *span = &addition->span;
	uint64_t length = addition->length;

	check(span->len > 0 && span->len <= length && span->first <= length - span->len);
	check(object_is_whole(fresh.object) && object_length(fresh.object) == span->len);
	check(!old || old->length == length);
	object_publish(addition->about);
	object_publish(fresh.object);
	atomic_init(&partial->refs_, 1);
	list_init(&partial->table_.node);
	partial->about = object_ref(addition->about);
	partial->length = length;
	partial->removals = addition->removals;
	fill_stretches(partial, old, &fresh);
	join_neighbours(partial);
	partial->memory_bytes = count_bytes(partial);
	return partial;
}

struct partial *partial_ref(struct partial *partial)
{
	atomic_fetch_add_explicit(&partial->refs_, 1, memory_order_relaxed);
	return partial;
}

void partial_unref(struct partial *partial)
{
	/* Release pairs with the acquire of whoever drops the last one, and sees all. */
	if (!partial || atomic_fetch_sub_explicit(&partial->refs_, 1, memory_order_acq_rel) != 1)
		return;
	drop_stretches(partial);
	object_unref(partial->about);
	mem_free(partial);
}

/* ---- asking one */

/* The first byte at or behind at that is not there. */
static uint64_t first_missing(const struct partial *partial, uint64_t at)
{
	for (unsigned i = 0; i < partial->nstretches; i++) {
		const struct partial_span *span = &partial->stretches[i].span;

		if (span->first <= at && at < end_of(span))
			at = end_of(span);
	}
	return at;
}

/* Where the row of bytes that ends before end, and is there, begins. */
static uint64_t last_present(const struct partial *partial, uint64_t end)
{
	for (unsigned i = partial->nstretches; i-- > 0;) {
		const struct partial_span *span = &partial->stretches[i].span;

		if (span->first < end && end <= end_of(span))
			end = span->first;
	}
	return end;
}

bool partial_missing(const struct partial *partial, const struct partial_span *wanted,
		     struct partial_span *missing)
{
	uint64_t first = first_missing(partial, wanted->first);

	if (first >= end_of(wanted))
		return false;
	*missing = (struct partial_span){first, last_present(partial, end_of(wanted)) - first};
	return true;
}

/* The stored head under the status line of status. */
static void write_head(const struct partial *partial, int status, struct buf *out)
{
	struct str head = partial->about->head;

	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	buf_add_str(out, str_from(head, str_find_char(head, '\n') + 1));
}

/* The stretch that has all of wanted; NULL: it lies in several. */
static const struct partial_stretch *find_one(const struct partial *partial,
					      const struct partial_span *wanted)
{
	for (unsigned i = 0; i < partial->nstretches; i++) {
		const struct partial_stretch *stretch = &partial->stretches[i];

		if (stretch->span.first <= wanted->first &&
		    end_of(wanted) <= end_of(&stretch->span))
			return stretch;
	}
	return NULL;
}

struct object *partial_object(const struct partial *partial, int status,
			      const struct partial_span *wanted, uint64_t *offset)
{
	const struct partial_stretch *one = status == 206 ? find_one(partial, wanted) : NULL;
	const struct object *about = partial->about;
	struct object *object;
	struct buf head;

	if (one) {
		*offset = one->skip + (wanted->first - one->span.first);
		return object_create_renewed(one->object, &(struct object_head){
								  .status = status,
								  .head = about->head,
								  .url = about->url,
								  .vary = about->vary,
								  .facts = about->facts,
								  .body_bytes = -1,
							  });
	}
	*offset = 0;
	buf_init(&head, HEAD_MAX_BYTES);
	write_head(partial, status, &head);
	object = copy_of(partial, status, buf_str(&head), wanted);
	buf_fini(&head);
	return object;
}

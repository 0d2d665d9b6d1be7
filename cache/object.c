/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/object.h"

#include <errno.h>

#include "cache/object_internal.h"
#include "cache/spool.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { CHUNK_BYTES_MIN = 2048 };

/* ---- life */

static void begin(struct object *object, struct loop *loop, void (*wake)(void *producer),
		  void *producer, uint64_t gap_bytes)
{
	atomic_init(&object->refs_, 1);
	atomic_init(&object->memory_bytes_, sizeof(*object));
	object->body_bytes = -1;
	object->gap_bytes_ = gap_bytes > 0 ? gap_bytes : 1;
	object_set_producer(object, loop, wake, producer);
	list_init(&object->index_.node);
	lock_init(&object->shared.lock);
	list_init(&object->shared.readers);
}

struct object *object_create(struct loop *loop, void (*wake)(void *producer), void *producer,
			     uint64_t gap_bytes)
{
	struct object *object = mem_zalloc(sizeof(*object));

	begin(object, loop, wake, producer, gap_bytes);
	return object;
}

struct object *object_create_private(struct loop *loop, void (*wake)(void *producer),
                                     void *producer, uint64_t gap_bytes)
{
	struct object *object = object_take_spare();

	begin(object, loop, wake, producer, gap_bytes);
	lock_make_private(&object->shared.lock);
	return object;
}

void object_publish(struct object *object)
{
	lock_share(&object->shared.lock);
}

void object_free_chunks(struct object_chunk *chunk)
{
	while (chunk) {
		struct object_chunk *next = chunk->next;

		if (!chunk->is_embedded)
			mem_free(chunk);
		chunk = next;
	}
}

void object_destroy(struct object *object)
{
	struct object_watch *watch = object->shared.watches;

	check(list_is_empty(&object->shared.readers));
	while (watch) {
		struct object_watch *next = watch->next;

		mem_free(watch);
		watch = next;
	}
	object_free_chunks(object->shared.first);
	if (object->piece_.file)
		body_piece_give(&object->piece_);
	spool_destroy(object->shared.spool);
	if (object->spools_)
		spools_let_go(object->spools_, object->shared.held_back);
	object_unref(object->body_of_);
	for (unsigned i = 0; i < CODINGS; i++)
		object_unref(object_coded(object, i));
	mem_free(object->trailers_);
	mem_free(object->url_);
	lock_fini(&object->shared.lock);
	if (object_is_private(object) && object_keep_spare(object))
		return;
	mem_free(object->heads_);
	mem_free(object);
}

struct object *object_create_whole(const struct object_head *head, struct str body)
{
	struct object *object = object_create(NULL, NULL, NULL, 0);
	struct object_head with_length = *head;

	with_length.body_bytes = (int64_t)body.len;
	object_keep(object, true);
	object_set_head(object, &with_length);
	object_append(object, body);
	object_finish(object);
	return object;
}

size_t object_memory_bytes(const struct object *object)
{
	size_t bytes = atomic_load_explicit(&object->memory_bytes_, memory_order_relaxed);

	return object->body_of_ ? bytes + object_memory_bytes(object->body_of_) : bytes;
}

static void add_memory(struct object *object, size_t bytes)
{
	if (object_is_private(object)) {
		atomic_store_explicit(&object->memory_bytes_,
				      atomic_load_explicit(&object->memory_bytes_,
							   memory_order_relaxed) + bytes,
				      memory_order_relaxed);
		return;
	}
	atomic_fetch_add_explicit(&object->memory_bytes_, bytes, memory_order_relaxed);
}

bool object_add_coded(struct object *object, enum content_coding coding, struct object *coded)
{
	struct object *none = NULL;

	check(object_is_whole(coded));
	object_publish(coded);
	object_ref(coded);
	/* Release: pairs with object_coded, so that who finds it sees it whole. */
	if (!atomic_compare_exchange_strong_explicit(&object->coded_[coding], &none, coded,
						     memory_order_release, memory_order_relaxed)) {
		object_unref(coded);
		return false;
	}
	add_memory(object, object_memory_bytes(coded));
	return true;
}

int object_abort_error(struct object *object)
{
	int error;

	lock_take(&object->shared.lock);
	error = object->shared.abort_error;
	lock_drop(&object->shared.lock);
	return error;
}

/* ---- the head */

static struct str put(char **at, struct str s)
{
	struct str copy = {*at, s.len};

	if (s.len > 0)
		memcpy(*at, s.at, s.len);
	*at += s.len;
	return copy;
}

/* One piece of memory: first, if body_bytes is not 0, a chunk for the body (returned), then the
 * texts. */
static struct object_chunk *copy_head(struct object *object, const struct object_head *head,
				      size_t body_bytes)
{
	size_t texts = head->head.len + head->head_once.len + head->url.len + head->vary.len +
		       head->decision.len;
	size_t before = body_bytes > 0 ? sizeof(struct object_chunk) + body_bytes : 0;
	struct object_chunk *chunk = NULL;
	char *at;

	object->heads_ = object_take_heads(object, before + texts);
	add_memory(object, before + texts);
	if (before > 0) {
		chunk = (struct object_chunk *)object->heads_;
		*chunk = (struct object_chunk){.cap = (uint32_t)body_bytes,
					       .is_embedded = true,
					       .bytes = (char *)(chunk + 1)};
	}
	at = object->heads_ + before;
	object->status = head->status;
	object->body_bytes = head->body_bytes;
	object->facts = head->facts;
	object->head = put(&at, head->head);
	object->head_once = put(&at, head->head_once);
	object->vary = put(&at, head->vary);
	object->decision = put(&at, head->decision);
	object->since = head->since;
	if (!object->url_) /* else others may be reading it */
		object->url = put(&at, head->url);
	return chunk;
}

void object_set_url(struct object *object, uint64_t key, struct str url)
{
	check(object_state(object) == OBJECT_EMPTY && !object->url_);
	object->url_ = str_dup(url);
	object->url = (struct str){object->url_, url.len};
	object->key = key;
	add_memory(object, url.len + 1);
}

/* With a chunk of chunk_bytes for the body, if not 0, beside the head. */
static void set_head(struct object *object, const struct object_head *head, size_t chunk_bytes)
{
	struct object_wakes wakes = {0};

	check(object_state(object) == OBJECT_EMPTY);
	object->last_ = copy_head(object, head, chunk_bytes);
	lock_take(&object->shared.lock);
	object->shared.first = object->last_;
	/* Release: pairs with object_state, so that readers see the head. */
	atomic_store_explicit(&object->state_, OBJECT_FILLING, memory_order_release);
	object_collect_wakes_locked(object, &wakes);
	lock_drop(&object->shared.lock);
	object_send_wakes(object, &wakes);
}

void object_set_head(struct object *object, const struct object_head *head)
{
	bool is_small = head->body_bytes > 0 && head->body_bytes <= OBJECT_CHUNK_BYTES;

	set_head(object, head, is_small ? (size_t)head->body_bytes : 0);
}

struct object *object_create_blank(const struct object_head *head, char **body)
{
	struct object *object = object_create(NULL, NULL, NULL, 0);

	check(head->body_bytes >= 0 && head->body_bytes <= UINT32_MAX);
	atomic_store_explicit(&object->is_kept_, true, memory_order_relaxed);
	set_head(object, head, (size_t)head->body_bytes);
	*body = object->last_ ? object->last_->bytes : NULL;
	return object;
}

struct object *object_create_renewed(struct object *old, const struct object_head *head)
{
	struct object *object = object_create(NULL, NULL, NULL, 0);
	struct object *body = old->body_of_ ? old->body_of_ : old;

	copy_head(object, head, 0);
	object_publish(body);
	object->body_of_ = object_ref(body);
	object->trailers = body->trailers;
	if (!object_is_whole(old)) {
		object->body_bytes = old->body_bytes;
		atomic_store_explicit(&object->state_, OBJECT_FILLING, memory_order_release);
		return object;
	}
	object->body_bytes = (int64_t)object_length(old);
	object->whole_ = body->whole_;
	object->is_whole_ = true;
	atomic_store_explicit(&object->is_kept_, true, memory_order_relaxed);
	atomic_store_explicit(&object->length_, object_length(old), memory_order_relaxed);
	atomic_store_explicit(&object->state_, OBJECT_COMPLETE, memory_order_release);
	return object;
}

/* The whole body of old, chunk by chunk, into the piece. */
static bool copy_body(const struct object *old, const struct body_piece *piece)
{
	uint64_t length = object_length(old);

	for (const struct object_chunk *chunk = old->whole_; chunk; chunk = chunk->next) {
		uint64_t left = length - chunk->start;
		size_t n = left < chunk->cap ? (size_t)left : chunk->cap;

		if (!body_piece_write(piece, (size_t)chunk->start, chunk->bytes, n))
			return false;
	}
	return true;
}

struct object *object_create_filed(struct object *old)
{
	const struct object_head head = {
		.status = old->status,
		.head = old->head,
		.url = old->url,
		.vary = old->vary,
		.body_bytes = (int64_t)object_length(old),
		.facts = old->facts,
		.decision = old->decision,
		.since = old->since,
	};
	struct body_piece piece;
	struct object *object;

	check(object_is_whole(old));
	if (object_length(old) > UINT32_MAX || !body_piece_take(object_length(old), &piece))
		return NULL;
	if (!copy_body(old, &piece)) {
		body_piece_give(&piece);
		return NULL;
	}
	object = object_create(NULL, NULL, NULL, 0);
	copy_head(object, &head, 0);
	object_set_trailers(object, old->trailers);
	for (unsigned i = 0; i < CODINGS; i++)
		if (object_coded(old, i))
			object_add_coded(object, i, object_coded(old, i));
	object->piece_ = piece;
	object->whole_ = object->shared.first = mem_zalloc(sizeof(*object->whole_));
	object->whole_->cap = (uint32_t)piece.len;
	object->whole_->bytes = (char *)(uintptr_t)piece.at;
	add_memory(object, sizeof(*object->whole_) + piece.len);
	object->is_whole_ = true;
	atomic_store_explicit(&object->disk_id,
	                      atomic_load_explicit(&old->disk_id, memory_order_relaxed),
	                      memory_order_relaxed);
	atomic_store_explicit(&object->is_kept_, true, memory_order_relaxed);
	atomic_store_explicit(&object->length_, piece.len, memory_order_relaxed);
	atomic_store_explicit(&object->state_, OBJECT_COMPLETE, memory_order_release);
	return object;
}

bool object_file(const struct object *object, int *fd, int64_t *offset)
{
	if (object->body_of_)
		object = object->body_of_;
	if (!object->piece_.file)
		return false;
	*fd = object->piece_.fd;
	*offset = object->piece_.offset;
	return true;
}

/* ---- the body */

void object_keep(struct object *object, bool keep)
{
	struct object_spooler *spooler = keep ? NULL : object_create_spooler(object);
	struct object_chunk *passed;
	bool is_adopted;

	lock_take(&object->shared.lock);
	atomic_store_explicit(&object->is_kept_, keep, memory_order_relaxed);
	is_adopted = object_adopt_spooler_locked(object, spooler);
	passed = object_cut_passed_locked(object);
	lock_drop(&object->shared.lock);
	object_start_spooler(spooler, is_adopted);
	object_free_chunks(passed);
}

void object_offer_spool(struct object *object, struct spools *spools)
{
	object->spools_ = spools;
}

/* Small at first when nobody knows how long the body gets, then doubling: half is used at least. */
static uint32_t next_chunk_bytes(const struct object *object, uint64_t length)
{
	if (object->body_bytes > 0 && length < (uint64_t)object->body_bytes) {
		uint64_t left = (uint64_t)object->body_bytes - length;

		return left < OBJECT_CHUNK_BYTES ? (uint32_t)left : OBJECT_CHUNK_BYTES;
	}
	if (object->max_chunk_bytes_ > 0)
		return object->max_chunk_bytes_;
	if (length >= OBJECT_CHUNK_BYTES)
		return OBJECT_CHUNK_BYTES;
	return length > CHUNK_BYTES_MIN ? (uint32_t)length : CHUNK_BYTES_MIN;
}

static void add_chunk(struct object *object, uint64_t length)
{
	uint32_t cap = next_chunk_bytes(object, length);
	struct object_chunk *chunk = mem_alloc(sizeof(*chunk) + cap);

	*chunk = (struct object_chunk){
		.start = length, .cap = cap, .bytes = (char *)(chunk + 1)};
	add_memory(object, sizeof(*chunk) + cap);
	lock_take(&object->shared.lock);
	if (object->last_)
		object->last_->next = chunk;
	else
		object->shared.first = chunk;
	lock_drop(&object->shared.lock);
	object->last_ = chunk;
}

void object_limit_chunks(struct object *object, uint32_t max_bytes)
{
	object->max_chunk_bytes_ = max_bytes;
}

char *object_reserve(struct object *object, size_t *room)
{
	/* The producer's own store: relaxed. */
	uint64_t length = atomic_load_explicit(&object->length_, memory_order_relaxed);

	check(object_state(object) == OBJECT_FILLING);
	if (!object->last_ || object->last_->start + object->last_->cap == length)
		add_chunk(object, length);
	*room = (size_t)(object->last_->start + object->last_->cap - length);
	return object->last_->bytes + (length - object->last_->start);
}

void object_commit(struct object *object, size_t len)
{
	uint64_t length = atomic_load_explicit(&object->length_, memory_order_relaxed);
	struct object_wakes wakes = {0};

	if (len == 0)
		return;
	check(object->last_ && length + len <= object->last_->start + object->last_->cap);
	lock_take(&object->shared.lock);
	/* Release: pairs with object_length in object_read; chunk links and bytes come with it. */
	atomic_store_explicit(&object->length_, length + len, memory_order_release);
	object_collect_wakes_locked(object, &wakes);
	lock_drop(&object->shared.lock);
	object_send_wakes(object, &wakes);
}

void object_append(struct object *object, struct str bytes)
{
	while (bytes.len > 0) {
		size_t room;
		char *at = object_reserve(object, &room);
		struct str part = str_first(bytes, room);

		memcpy(at, part.at, part.len);
		object_commit(object, part.len);
		bytes = str_from(bytes, part.len);
	}
}

uint64_t object_first_wanted(struct object *object)
{
	uint64_t offset = UINT64_MAX;

	lock_take(&object->shared.lock);
	if (!list_is_empty(&object->shared.readers))
		offset = object_slowest_locked(object);
	lock_drop(&object->shared.lock);
	return offset;
}

void object_begin_at(struct object *object, uint64_t offset)
{
	check(!object->last_ && !object_is_kept(object) && object_state(object) == OBJECT_FILLING);
	lock_take(&object->shared.lock);
	atomic_store_explicit(&object->length_, offset, memory_order_release);
	lock_drop(&object->shared.lock);
}

bool object_is_shared(const struct object *object)
{
	return atomic_load_explicit(&object->refs_, memory_order_acquire) > 1;
}

unsigned object_nreaders(struct object *object)
{
	unsigned n;

	lock_take(&object->shared.lock);
	n = object->shared.nreaders;
	lock_drop(&object->shared.lock);
	return n;
}

/* ---- the end of it */

static void end(struct object *object, enum object_state state, int error)
{
	struct object_wakes wakes = {0};

	lock_take(&object->shared.lock);
	object->shared.abort_error = error;
	object->whole_ = object->shared.first;
	object->is_whole_ =
		object_is_kept(object) && (!object->whole_ || object->whole_->start == 0);
	/* Release: pairs with object_state; length, whole_ and is_whole_ come with it. */
	atomic_store_explicit(&object->state_, state, memory_order_release);
	object_collect_wakes_locked(object, &wakes);
	lock_drop(&object->shared.lock);
	object_send_wakes(object, &wakes);
	object_forget_producer(object);
}

void object_set_trailers(struct object *object, struct str lines)
{
	check(!object->trailers_ && object_state(object) < OBJECT_COMPLETE);
	if (lines.len == 0)
		return;
	object->trailers_ = str_dup(lines);
	object->trailers = (struct str){object->trailers_, lines.len};
	add_memory(object, lines.len);
}

void object_finish(struct object *object)
{
	uint64_t length = atomic_load_explicit(&object->length_, memory_order_relaxed);

	check(object_state(object) == OBJECT_FILLING);
	if (object->body_bytes >= 0 && (uint64_t)object->body_bytes != length)
		end(object, OBJECT_ABORTED, EPROTO);
	else
		end(object, OBJECT_COMPLETE, 0);
}

void object_abort(struct object *object, int error)
{
	check(object_state(object) <= OBJECT_FILLING);
	end(object, OBJECT_ABORTED, error);
}

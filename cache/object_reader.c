/* SPDX-License-Identifier: BSD-2-Clause */
/* The readers' half of cache/object.h: following the chunks, waiting and being woken. */
#include "cache/object_internal.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"

/* Of one that several share, a reader has no more in hand, since that stays in memory if he stands
 * still. */
enum { SHARED_LOAN_BYTES = 65536 };

static struct object_reader *reader_of(struct list *node)
{
	return CONTAINER(node, struct object_reader, node_);
}

/* ---- freeing behind the slowest */

uint64_t object_slowest_locked(const struct object *object)
{
	uint64_t slowest = UINT64_MAX;

	lock_check_held(&object->shared.lock);
	LIST_EACH (node, &object->shared.readers)
		if (reader_of(node)->passed_ < slowest)
			slowest = reader_of(node)->passed_;
	if (slowest != UINT64_MAX)
		return slowest;
	/* Nobody reads: what is there waits for whoever comes. */
	return object->shared.first ? object->shared.first->start : 0;
}

uint64_t object_fastest_locked(const struct object *object)
{
	uint64_t fastest = 0;

	lock_check_held(&object->shared.lock);
	LIST_EACH (node, &object->shared.readers) {
		const struct object_reader *reader = reader_of(node);

		if (reader != object->shared.spooler && !reader->is_lost_ &&
		    reader->passed_ > fastest)
			fastest = reader->passed_;
	}
	return fastest;
}

/* Chunks up to here are not needed any more: all have passed them, or they are in the spool and not
 * among the newest. */
static uint64_t unneeded_locked(const struct object *object)
{
	uint64_t passed = object_slowest_locked(object), spooled = object->shared.spooled_to;
	uint64_t window = object_state(object) == OBJECT_FILLING ? OBJECT_WINDOW_BYTES : 0;
	uint64_t length = object_length(object), old = length > window ? length - window : 0;

	if (spooled > old)
		spooled = old;
	return passed > spooled ? passed : spooled;
}

static uint64_t end_of(const struct object_chunk *chunk)
{
	return chunk->start + chunk->cap;
}

/* One that is off the list and on loan to nobody joins those to be freed. */
static void let_go_locked(struct object *object, struct object_chunk *chunk,
			  struct object_chunk **freed)
{
	if (!chunk->is_off_list || chunk->nloans > 0)
		return;
	atomic_fetch_sub_explicit(&object->memory_bytes_,
				  chunk->is_embedded ? 0 : sizeof(*chunk) + chunk->cap,
				  memory_order_relaxed);
	chunk->next = *freed;
	*freed = chunk;
}

struct object_chunk *object_cut_passed_locked(struct object *object)
{
	struct object_chunk *chunk, *next, *freed = NULL;
	uint64_t unneeded;

	if (object_is_kept(object) || list_is_empty(&object->shared.readers))
		return NULL;
	unneeded = unneeded_locked(object);
	if (object->spools_ && object_holds_back_locked(object, unneeded))
		return NULL;
	for (chunk = object->shared.first; chunk && chunk->next && end_of(chunk) <= unneeded;
	     chunk = next) {
		next = chunk->next;
		object->shared.first = next;
		chunk->is_off_list = true;
		if (chunk->start == 0 && object->shared.spooled_to == 0)
			atomic_store_explicit(&object->has_lost_beginning_, true,
					      memory_order_relaxed);
		let_go_locked(object, chunk, &freed);
	}
	return freed;
}

/* ---- loans: a reader that is listed has the chunks whose bytes it may have in hand */

/* Those that it has passed; but the last one, while it is on the list, tells where to go on. */
static void return_passed_locked(struct object_reader *reader, struct object_chunk **freed)
{
	struct object_chunk *chunk = reader->chunk_;

	while (chunk && end_of(chunk) <= reader->offset &&
	       (chunk != reader->last_ || chunk->is_off_list)) {
		reader->chunk_ = chunk == reader->last_ ? NULL : chunk->next;
		chunk->nloans--;
		let_go_locked(reader->object, chunk, freed);
		chunk = reader->chunk_;
	}
}

/* The reader's chunks go back; the caller frees what is returned without the lock. */
static void return_all_locked(struct object_reader *reader, struct object_chunk **freed)
{
	struct object_chunk *chunk = reader->chunk_, *next;

	for (; chunk; chunk = next) {
		next = chunk == reader->last_ ? NULL : chunk->next;
		chunk->nloans--;
		let_go_locked(reader->object, chunk, freed);
	}
	reader->chunk_ = NULL;
}

/* The reader's new offset becomes the producer's concern. Only what is not kept needs it. */
static void tell_progress(struct object_reader *reader)
{
	struct object *object = reader->object;
	struct object_chunk *passed = NULL, *returned = NULL;
	bool is_due = false;

	lock_take(&object->shared.lock);
	if (!reader->is_lost_)
		reader->passed_ = reader->offset;
	return_passed_locked(reader, &returned);
	if (object->shared.first && end_of(object->shared.first) <= reader->offset)
		passed = object_cut_passed_locked(object);
	if (object->shared.is_producer_waiting)
		is_due = object_producer_is_due_locked(object, false);
	lock_drop(&object->shared.lock);
	if (is_due)
		object_wake_producer(object, reader->loop);
	object_free_chunks(passed);
	object_free_chunks(returned);
}

/* ---- waking readers */

static void stop_waiting_locked(struct object_reader *reader)
{
	if (reader->is_waiting_)
		reader->object->shared.nwaiting--;
	reader->is_waiting_ = false;
}

void object_collect_wakes_locked(struct object *object, struct object_wakes *wakes)
{
	lock_check_held(&object->shared.lock);
	if (object->shared.nwaiting == 0)
		return;
	LIST_EACH (node, &object->shared.readers) {
		struct object_reader *reader = reader_of(node);

		if (!reader->is_waiting_)
			continue;
		if (!reader->loop) {
			stop_waiting_locked(reader);
			reader->wake(reader->owner); /* signals, no more */
		} else if (reader->loop == object->producer_loop_) {
			stop_waiting_locked(reader);
			reader->wake_next_ = wakes->readers;
			wakes->readers = reader;
		} else if (!reader->watch_->is_posted) {
			reader->watch_->is_posted = true;
			reader->watch_->post_next = wakes->watches;
			wakes->watches = reader->watch_;
		}
	}
}

/* Deferred, so that each can still be cancelled while the others run. */
static void defer_wakes(struct object_reader *reader)
{
	for (; reader; reader = reader->wake_next_)
		loop_defer(reader->loop, &reader->task_);
}

void object_send_wakes(struct object *object, const struct object_wakes *wakes)
{
	struct object_watch *watch = wakes->watches;

	defer_wakes(wakes->readers);
	while (watch) {
		struct object_watch *next = watch->post_next;

		object_ref(object); /* the mail's, dropped by deliver_watch */
		loop_post(watch->loop, &watch->mail);
		watch = next;
	}
}

static void deliver_watch(struct mail *mail)
{
	struct object_watch *watch = CONTAINER(mail, struct object_watch, mail);
	struct object *object = watch->object;
	struct object_reader *woken = NULL;

	lock_take(&object->shared.lock);
	watch->is_posted = false;
	LIST_EACH (node, &object->shared.readers) {
		struct object_reader *reader = reader_of(node);

		if (reader->loop != watch->loop || !reader->is_waiting_)
			continue;
		stop_waiting_locked(reader);
		reader->wake_next_ = woken;
		woken = reader;
	}
	lock_drop(&object->shared.lock);
	defer_wakes(woken);
	object_unref(object);
}

static void run_reader_task(struct loop_task *task)
{
	struct object_reader *reader = CONTAINER(task, struct object_reader, task_);

	reader->wake(reader->owner);
}

/* ---- waiting */

/* The watch of the reader's loop: an older one if there is, else fresh, which is taken over. */
static struct object_watch *find_watch_locked(struct object_reader *reader,
					      struct object_watch **fresh)
{
	struct object *object = reader->object;
	struct object_watch *watch = object->shared.watches;

	while (watch && watch->loop != reader->loop)
		watch = watch->next;
	if (watch)
		return watch;
	watch = *fresh;
	*fresh = NULL;
	watch->next = object->shared.watches;
	object->shared.watches = watch;
	return watch;
}

static struct object_watch *create_watch(struct object_reader *reader)
{
	struct object_watch *watch = mem_zalloc(sizeof(*watch));

	watch->mail.deliver = deliver_watch;
	watch->object = reader->object;
	watch->loop = reader->loop;
	return watch;
}

/* False: state or length are not what the caller saw any more; look again. */
static bool wait_for_change(struct object_reader *reader, enum object_state state, uint64_t length)
{
	struct object *object = reader->object;
	bool needs_watch =
		reader->loop && reader->loop != object->producer_loop_ && !reader->watch_;
	struct object_watch *fresh = needs_watch ? create_watch(reader) : NULL;
	bool is_unchanged, is_due = false;

	lock_take(&object->shared.lock);
	is_unchanged = object_state(object) == state && object_length(object) == length;
	if (is_unchanged) {
		if (needs_watch)
			reader->watch_ = find_watch_locked(reader, &fresh);
		object->shared.nwaiting += !reader->is_waiting_;
		reader->is_waiting_ = true;
		if (!reader->is_lost_)
			reader->passed_ = reader->offset;
		is_due = object->shared.is_producer_waiting &&
			 object_producer_is_due_locked(object, false);
	}
	lock_drop(&object->shared.lock);
	if (is_due)
		object_wake_producer(object, reader->loop);
	mem_free(fresh);
	return is_unchanged;
}

/* ---- reading */

void object_reader_init(struct object_reader *reader, struct object *object, uint64_t offset,
			struct loop *loop, void (*wake)(void *owner), void *owner)
{
	if (object->body_of_ && !object_is_whole(object))
		object = object->body_of_;
	*reader = (struct object_reader){
		.object = object_ref(object),
		.loop = loop,
		.wake = wake,
		.owner = owner,
		.offset = offset,
		.passed_ = offset,
		.task_ = {.run = run_reader_task},
	};
	list_init(&reader->node_);
}

static void enter_list(struct object_reader *reader, bool is_aside)
{
	struct object *object = reader->object;

	if (object_is_whole(object))
		return;
	reader->is_listed_ = true;
	reader->is_aside_ = is_aside;
	lock_take(&object->shared.lock);
	list_push_back(&object->shared.readers, &reader->node_);
	object->shared.nreaders += !is_aside;
	lock_drop(&object->shared.lock);
}

void object_reader_open(struct object_reader *reader, struct object *object, uint64_t offset,
			struct loop *loop, void (*wake)(void *owner), void *owner)
{
	object_reader_init(reader, object, offset, loop, wake, owner);
	enter_list(reader, false);
}

void object_reader_open_aside(struct object_reader *reader, struct object *object, uint64_t offset,
			      struct loop *loop, void (*wake)(void *owner), void *owner)
{
	object_reader_init(reader, object, offset, loop, wake, owner);
	enter_list(reader, true);
}

static void leave_list(struct object_reader *reader, struct object *object)
{
	struct object_chunk *passed, *returned = NULL;
	struct object_let_go let_go;
	bool is_due;

	lock_take(&object->shared.lock);
	stop_waiting_locked(reader);
	if (!object_is_whole(object))
		return_all_locked(reader, &returned);
	list_remove(&reader->node_);
	object->shared.nreaders -= !reader->is_aside_;
	passed = object_cut_passed_locked(object);
	is_due = object_producer_is_due_locked(object, !reader->is_aside_ &&
							       object->shared.nreaders == 0);
	let_go = object_take_let_go_locked(object);
	lock_drop(&object->shared.lock);
	if (is_due)
		object_wake_producer(object, reader->loop);
	object_free_chunks(passed);
	object_free_chunks(returned);
	object_tell_let_go(object, &let_go);
}

void object_reader_close(struct object_reader *reader)
{
	struct object *object = reader->object;

	if (!object)
		return;
	if (reader->task_.is_queued_)
		loop_task_cancel(&reader->task_);
	if (reader->unspooling_)
		object_forget_unspooling(reader);
	if (reader->is_listed_)
		leave_list(reader, object);
	reader->object = NULL;
	object_unref(object);
}

enum object_read object_reader_head(struct object_reader *reader)
{
	for (;;) {
		enum object_state state = object_state(reader->object);

		if (state == OBJECT_ABORTED)
			return OBJECT_READ_ABORTED;
		if (state != OBJECT_EMPTY)
			return OBJECT_READ_DATA;
		if (wait_for_change(reader, state, 0))
			return OBJECT_READ_WAIT;
	}
}

/* The chunk of offset, from chunk on; NULL if that lies behind it already. */
static struct object_chunk *walk(struct object_chunk *chunk, uint64_t offset)
{
	if (!chunk || chunk->start > offset)
		return NULL;
	while (chunk && end_of(chunk) <= offset)
		chunk = chunk->next;
	return chunk;
}

/* Pieces of a whole body, which needs no loans. */
static int fill_whole(struct object_reader *reader, uint64_t end, struct iovec *iov, int max)
{
	struct object_chunk *chunk =
		walk(reader->chunk_ ? reader->chunk_ : reader->object->whole_, reader->offset);
	uint64_t at = reader->offset;
	int n = 0;

	reader->chunk_ = chunk;
	while (n < max && at < end) {
		uint64_t stop = end_of(chunk) < end ? end_of(chunk) : end;

		iov[n].iov_base = chunk->bytes + (at - chunk->start);
		iov[n++].iov_len = (size_t)(stop - at);
		at = stop;
		chunk = chunk->next;
	}
	return n;
}

/* The chunk of at, which is behind chunk, what the reader had before (or NULL). On loan from now
 * on. NULL: it is not in memory. */
static struct object_chunk *lend_locked(struct object_reader *reader, struct object_chunk *chunk,
					uint64_t at)
{
	struct object_chunk *next;

	if (chunk && chunk != reader->last_)
		return chunk->next;
	next = walk(chunk && !chunk->is_off_list ? chunk : reader->object->shared.first, at);
	if (!next)
		return NULL;
	next->nloans++;
	reader->last_ = next;
	if (!chunk)
		reader->chunk_ = next;
	else if (chunk->is_off_list)
		chunk->next = next;
	return next;
}

void object_lend_private(struct object_reader *reader, struct object_chunk *chunk)
{
	struct object *object = reader->object;
	struct object_chunk *returned = NULL;

	chunk->is_off_list = true;
	chunk->nloans = 1;
	atomic_fetch_add_explicit(&object->memory_bytes_, sizeof(*chunk) + chunk->cap,
				  memory_order_relaxed);
	lock_take(&object->shared.lock);
	return_all_locked(reader, &returned);
	reader->chunk_ = reader->last_ = chunk;
	lock_drop(&object->shared.lock);
	object_free_chunks(returned);
}

/* Pieces up to end of a body that others may still write, or whose chunks may go. None: not in
 * memory. */
static int fill_loaned_locked(struct object_reader *reader, uint64_t end, struct iovec *iov,
                              int max)
{
	struct object_chunk *chunk = reader->chunk_;
	uint64_t at = reader->offset;
	int n = 0;

	while (n < max && at < end) {
		uint64_t stop;

		while (!chunk || end_of(chunk) <= at) {
			chunk = lend_locked(reader, chunk, at);
			if (!chunk)
				return n;
		}
		stop = end_of(chunk) < end ? end_of(chunk) : end;
		iov[n].iov_base = chunk->bytes + (at - chunk->start);
		iov[n++].iov_len = (size_t)(stop - at);
		at = stop;
	}
	return n;
}

static int fill_loaned(struct object_reader *reader, uint64_t end, struct iovec *iov, int max)
{
	struct object *object = reader->object;
	struct object_chunk *returned = NULL;
	int n = 0;

	lock_take(&object->shared.lock);
	return_passed_locked(reader, &returned);
	if (object->shared.spooler && end - reader->offset > SHARED_LOAN_BYTES)
		end = reader->offset + SHARED_LOAN_BYTES;
	if (!reader->is_lost_)
		n = fill_loaned_locked(reader, end, iov, max);
	lock_drop(&object->shared.lock);
	object_free_chunks(returned);
	return n;
}

/* What is published, up to end: there is some. */
static int fill_iov(struct object_reader *reader, uint64_t end, struct iovec *iov, int max)
{
	if (object_is_whole(reader->object))
		return fill_whole(reader, end, iov, max);
	return fill_loaned(reader, end, iov, max);
}

enum object_read object_read(struct object_reader *reader, struct iovec *iov, int max,
			     uint64_t max_bytes, int *niov)
{
	enum object_read got;

	*niov = 0;
	for (;;) {
		/* The state first: a length seen after COMPLETE is the final one. */
		enum object_state state = object_state(reader->object);
		uint64_t length = object_length(reader->object);
		uint64_t at = reader->offset;

		if (at < length) {
			*niov = fill_iov(reader, length - at < max_bytes ? length : at + max_bytes,
					 iov, max);
			if (*niov > 0)
				return OBJECT_READ_DATA;
			got = object_unspool(reader);
			if (got != OBJECT_READ_DATA)
				return got;
			continue;
		}
		if (state == OBJECT_COMPLETE)
			return OBJECT_READ_END;
		if (state == OBJECT_ABORTED)
			return OBJECT_READ_ABORTED;
		if (wait_for_change(reader, state, length))
			return OBJECT_READ_WAIT;
	}
}

void object_reader_advance(struct object_reader *reader, uint64_t len)
{
	if (len == 0)
		return;
	reader->offset += len;
	if (reader->is_listed_ && !object_is_kept(reader->object))
		tell_progress(reader);
}

void object_reader_skip(struct object_reader *reader, uint64_t offset)
{
	struct object_chunk *returned = NULL;

	check(offset >= reader->offset);
	reader->offset = offset;
	if (!reader->is_listed_ || object_is_whole(reader->object)) {
		reader->chunk_ = NULL;
		return;
	}
	lock_take(&reader->object->shared.lock);
	return_all_locked(reader, &returned);
	lock_drop(&reader->object->shared.lock);
	object_free_chunks(returned);
	tell_progress(reader);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What several clients read together and memory does not hold: a spooler, one more reader on a
 * thread of its own (cache/spool.h), carries it into a file from its beginning; who is behind what
 * memory holds has it back from there, a chunk at a time. Where there is no spool, or no room, the
 * slowest sets the pace, but for one that hardly reads at all. */
#include <errno.h>

#include "cache/object_internal.h"
#include "cache/spool.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	PIECES = 4,
	ROUNDS = 16,    /* then others have their turn */
	RETRY_MS = 100, /* when there is no room */
};

/* The spool thread's, once it has started. */
struct object_spooler {
	struct mail start;
	struct object_reader reader;
	struct spools *spools;
	struct spool *spool;
	struct loop_task task;
	struct timer retry;
};

static struct object_reader *reader_of(struct list *node)
{
	return CONTAINER(node, struct object_reader, node_);
}

/* ---- its end: of the body, of the file, or of everything */

static bool is_all_spooled(struct object *object)
{
	return object_state(object) > OBJECT_FILLING &&
	       object->shared.spooled_to == object_length(object);
}

static void end(void *owner)
{
	struct object_spooler *spooler = owner;
	struct object *object = spooler->reader.object;

	loop_task_cancel(&spooler->task);
	timer_cancel(&spooler->retry);
	if (spooler->spool)
		spool_end_writing(spooler->spool);
	if (object->shared.spool != spooler->spool) /* nothing was written */
		spool_destroy(spooler->spool);
	lock_take(&object->shared.lock);
	object->shared.spooler = NULL;
	if (!is_all_spooled(object))
		atomic_store_explicit(&object->has_lost_beginning_, true, memory_order_relaxed);
	lock_drop(&object->shared.lock);
	object_reader_close(&spooler->reader);
	mem_free(spooler);
}

/* ---- writing */

static void note_full(struct object *object, bool is_full)
{
	lock_take(&object->shared.lock);
	object->shared.is_spool_full = is_full;
	lock_drop(&object->shared.lock);
}

/* What all others have passed. */
static uint64_t passed_by_all_locked(const struct object *object)
{
	uint64_t passed = object_length(object);

	lock_check_held(&object->shared.lock);
	LIST_EACH (node, &object->shared.readers) {
		const struct object_reader *reader = reader_of(node);

		if (reader != object->shared.spooler && reader->passed_ < passed)
			passed = reader->passed_;
	}
	return passed;
}

/* What all have passed makes room, or need not be written at all; who comes later finds no
 * beginning then. False: nobody has got on. */
static bool trim(struct object_spooler *spooler)
{
	struct object *object = spooler->reader.object;
	uint64_t passed, from;

	lock_take(&object->shared.lock);
	passed = passed_by_all_locked(object);
	from = object->shared.spooled_from;
	if (passed > from) {
		object->shared.spooled_from = passed;
		if (passed > object->shared.spooled_to)
			object->shared.spooled_to = passed;
		atomic_store_explicit(&object->has_lost_beginning_, true, memory_order_relaxed);
	}
	lock_drop(&object->shared.lock);
	if (passed <= from)
		return false;
	spool_trim(spooler->spool, passed);
	if (passed > spooler->reader.offset)
		object_reader_skip(&spooler->reader, passed);
	return true;
}

static void note_spooled(struct object_spooler *spooler, const struct iovec *iov, int niov)
{
	struct object *object = spooler->reader.object;
	uint64_t bytes = 0;

	for (int i = 0; i < niov; i++)
		bytes += iov[i].iov_len;
	lock_take(&object->shared.lock);
	object->shared.spool = spooler->spool;
	object->shared.spooled_to += bytes;
	object->shared.is_spool_full = false;
	lock_drop(&object->shared.lock);
	object_reader_advance(&spooler->reader, bytes);
}

/* False: the spooler waits, or has ended. */
static bool spool_some(struct object_spooler *spooler)
{
	struct object *object = spooler->reader.object;
	struct iovec iov[PIECES];
	int niov;

	switch (object_read(&spooler->reader, iov, PIECES, UINT64_MAX, &niov)) {
	case OBJECT_READ_DATA:
		break;
	case OBJECT_READ_WAIT:
		return false;
	case OBJECT_READ_END:
	case OBJECT_READ_ABORTED:
		end(spooler);
		return false;
	}
	switch (spool_append(spooler->spool, iov, niov)) {
	case SPOOL_WROTE:
		note_spooled(spooler, iov, niov);
		return true;
	case SPOOL_FULL:
		if (trim(spooler))
			return true;
		note_full(object, true);
		timer_set(spools_loop(spooler->spools), &spooler->retry,
			  loop_now_ms(spools_loop(spooler->spools)) + RETRY_MS);
		return false;
	case SPOOL_BROKEN:
		break;
	}
	end(spooler);
	return false;
}

static void run(void *owner)
{
	struct object_spooler *spooler = owner;

	for (int i = 0; i < ROUNDS; i++)
		if (!spool_some(spooler))
			return;
	loop_defer(spools_loop(spooler->spools), &spooler->task);
}

static void run_task(struct loop_task *task)
{
	run(CONTAINER(task, struct object_spooler, task));
}

static void try_again(struct timer *timer)
{
	struct object_spooler *spooler = CONTAINER(timer, struct object_spooler, retry);
	struct object *object = spooler->reader.object;

	if (object_state(object) > OBJECT_FILLING && object_nreaders(object) == 0)
		end(spooler);
	else
		run(spooler);
}

/* ---- its beginning */

static void start(struct mail *mail)
{
	struct object_spooler *spooler = CONTAINER(mail, struct object_spooler, start);

	spooler->spool = spool_create(spooler->spools, end, spooler);
	if (spooler->spool)
		run(spooler);
	else
		end(spooler);
}

struct object_spooler *object_create_spooler(struct object *object)
{
	struct object_spooler *spooler;

	if (!object->spools_)
		return NULL;
	spooler = mem_zalloc(sizeof(*spooler));
	spooler->spools = object->spools_;
	spooler->start.deliver = start;
	spooler->task.run = run_task;
	timer_init(&spooler->retry, try_again);
	return spooler;
}

bool object_adopt_spooler_locked(struct object *object, struct object_spooler *spooler)
{
	lock_check_held(&object->shared.lock);
	if (!spooler || !object->shared.is_joined || object->shared.spooler ||
	    object->shared.spool || object_state(object) > OBJECT_FILLING ||
	    !object_has_beginning(object) ||
	    atomic_load_explicit(&object->is_kept_, memory_order_relaxed))
		return false;
	object_reader_init(&spooler->reader, object, 0, spools_loop(spooler->spools), run, spooler);
	spooler->reader.is_listed_ = spooler->reader.is_aside_ = true;
	list_push_back(&object->shared.readers, &spooler->reader.node_);
	object->shared.spooler = &spooler->reader;
	spools_let_go(spooler->spools, object->shared.held_back);
	object->shared.held_back = 0;
	return true;
}

void object_start_spooler(struct object_spooler *spooler, bool is_adopted)
{
	if (is_adopted)
		loop_post(spools_loop(spooler->spools), &spooler->start);
	else
		mem_free(spooler);
}

bool object_join(struct object *object)
{
	struct object_spooler *spooler = object_create_spooler(object);
	bool is_adopted, is_there;

	lock_take(&object->shared.lock);
	is_there = object_has_beginning(object);
	if (object_state(object) <= OBJECT_FILLING) /* else all that there will be is where it stays */
		object->shared.is_joined = true;
	is_adopted = object_adopt_spooler_locked(object, spooler);
	lock_drop(&object->shared.lock);
	object_start_spooler(spooler, is_adopted);
	return is_there;
}

bool object_holds_back_locked(struct object *object, uint64_t passed)
{
	uint64_t held = object->shared.held_back;

	lock_check_held(&object->shared.lock);
	if (!object->shared.is_joined && object_has_beginning(object) &&
	    passed <= OBJECT_HELD_BACK_BYTES &&
	    (passed <= held || spools_hold(object->spools_, passed - held))) {
		object->shared.held_back = passed > held ? passed : held;
		return true;
	}
	object->shared.held_back = 0;
	spools_let_go(object->spools_, held);
	return false;
}

/* ---- reading from it */

/* On its way to the spool thread and back. */
struct object_unspooling {
	struct mail mail;
	struct object *object;        /* a reference, which keeps the spool */
	struct object_reader *reader; /* NULL: it was closed; its thread's */
	struct loop *loop;            /* the reader's */
	struct object_chunk *chunk;
	ssize_t got;
};

/* It reads no more; what it holds for itself alone goes. */
static void lose_locked(struct object_reader *reader)
{
	struct object *object = reader->object;

	lock_check_held(&object->shared.lock);
	reader->is_lost_ = true;
	reader->passed_ = UINT64_MAX;
	if (reader != object->shared.spooler)
		return;
	object->shared.spooler = NULL;
	atomic_store_explicit(&object->has_lost_beginning_, true, memory_order_relaxed);
}

/* What was read becomes the reader's; nothing: he has read all that he gets. */
static bool take_chunk(struct object_reader *reader, struct object_chunk *chunk, ssize_t got)
{
	struct object *object = reader->object;

	if (got > 0) {
		chunk->cap = (uint32_t)got;
		object_lend_private(reader, chunk);
		return true;
	}
	mem_free(chunk);
	lock_take(&object->shared.lock);
	lose_locked(reader);
	lock_drop(&object->shared.lock);
	return false;
}

static void deliver_answer(struct mail *mail)
{
	struct object_unspooling *way = CONTAINER(mail, struct object_unspooling, mail);
	struct object_reader *reader = way->reader;

	if (reader) {
		reader->unspooling_ = NULL;
		take_chunk(reader, way->chunk, way->got);
		reader->wake(reader->owner);
	} else {
		mem_free(way->chunk);
	}
	object_unref(way->object);
	mem_free(way);
}

static void deliver_question(struct mail *mail)
{
	struct object_unspooling *way = CONTAINER(mail, struct object_unspooling, mail);
	struct object_chunk *chunk = way->chunk;

	way->got = spool_read(way->object->shared.spool, chunk->start, chunk->bytes, chunk->cap);
	way->mail.deliver = deliver_answer;
	loop_post(way->loop, &way->mail);
}

void object_forget_unspooling(struct object_reader *reader)
{
	reader->unspooling_->reader = NULL;
	reader->unspooling_ = NULL;
}

static void ask(struct object_reader *reader, struct object_chunk *chunk)
{
	struct object_unspooling *way = mem_zalloc(sizeof(*way));

	way->mail.deliver = deliver_question;
	way->object = object_ref(reader->object);
	way->reader = reader;
	way->loop = reader->loop;
	way->chunk = chunk;
	reader->unspooling_ = way;
	loop_post(spools_loop(reader->object->spools_), &way->mail);
}

/* The spool if it has the reader's next byte, and how many follow; NULL: it has not. */
static struct spool *spool_of(struct object_reader *reader, uint64_t *left)
{
	struct object *object = reader->object;
	struct spool *spool = NULL;

	lock_take(&object->shared.lock);
	if (!reader->is_lost_ && reader->offset >= object->shared.spooled_from &&
	    reader->offset < object->shared.spooled_to) {
		spool = object->shared.spool;
		*left = object->shared.spooled_to - reader->offset;
	}
	lock_drop(&object->shared.lock);
	return spool;
}

enum object_read object_unspool(struct object_reader *reader)
{
	struct object_chunk *chunk;
	struct spool *spool;
	uint64_t left;
	ssize_t got;

	if (reader->unspooling_)
		return OBJECT_READ_WAIT;
	spool = spool_of(reader, &left);
	if (!spool)
		return OBJECT_READ_ABORTED;
	if (left > OBJECT_CHUNK_BYTES)
		left = OBJECT_CHUNK_BYTES;
	chunk = mem_alloc(sizeof(*chunk) + left);
	*chunk = (struct object_chunk){
		.start = reader->offset, .cap = (uint32_t)left, .bytes = (char *)(chunk + 1)};
	got = spool_read_now(spool, chunk->start, chunk->bytes, chunk->cap);
	if (got == -EAGAIN && reader->loop) {
		ask(reader, chunk);
		return OBJECT_READ_WAIT;
	}
	if (got == -EAGAIN)
		got = spool_read(spool, chunk->start, chunk->bytes, chunk->cap);
	return take_chunk(reader, chunk, got) ? OBJECT_READ_DATA : OBJECT_READ_ABORTED;
}

/* ---- without one */

static bool is_starving(const struct object_reader *reader, uint64_t length)
{
	return reader->is_waiting_ && !reader->is_aside_ && !reader->is_lost_ &&
	       reader->passed_ >= length;
}

static bool holds_up_others(const struct object_reader *reader, uint64_t length)
{
	const struct object *object = reader->object;
	const struct object_reader *spooler = object->shared.spooler;

	if (reader->is_lost_ || reader->passed_ >= length ||
	    length - reader->passed_ < object->gap_bytes_)
		return false;
	return spooler && !object->shared.is_spool_full ? reader == spooler : reader != spooler;
}

/* It has held up others for a while, and still does. */
static bool is_too_slow(struct object_reader *reader, bool holds_up)
{
	/* Who reads steadily out of a full socket buffer is seen here in leaps of a third of
	 * that. */
	enum { FEW_BYTES = 65536, TIMES = 8 };

	if (!holds_up || reader->passed_ - reader->stood_at_ >= FEW_BYTES) {
		reader->nstood_ = 0;
		reader->stood_at_ = reader->passed_;
		return false;
	}
	return ++reader->nstood_ >= TIMES;
}

void object_shed(struct object *object)
{
	uint64_t length = object_length(object);
	struct object_chunk *passed;
	bool starves = false;

	lock_take(&object->shared.lock);
	LIST_EACH (node, &object->shared.readers)
		starves |= is_starving(reader_of(node), length);
	LIST_EACH (node, &object->shared.readers) {
		struct object_reader *reader = reader_of(node);

		if (is_too_slow(reader, starves && holds_up_others(reader, length)))
			lose_locked(reader);
	}
	passed = object_cut_passed_locked(object);
	lock_drop(&object->shared.lock);
	object_free_chunks(passed);
}

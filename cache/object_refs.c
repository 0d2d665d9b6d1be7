/* SPDX-License-Identifier: BSD-2-Clause */
/* References to objects. All are counted in refs_; but if every worker counted every use of a hot
 * object there, the cache line of that counter would be what the workers share out among them. So a
 * thread may own some references in advance (object_ref_often) and hand out and take back those:
 *
 *     refs_ = references handed out + references that threads own in advance
 *
 * Who takes a reference and who drops it may be different threads: what is dropped goes to the
 * dropping thread's own ones if it has such of that object, else off refs_. */
#include <pthread.h>
#include <stdint.h>

#include "cache/object_internal.h"
#include "lib/base/check.h"

enum {
	HELD_OBJECTS = 16, /* of a thread; a power of two */
	HELD_MAX_BYTES = OBJECT_HELD_BYTES / HELD_OBJECTS,
	ADVANCE = 1024, /* taken at once */
	/* An object keeps its place while it is asked for more often than others that want it. */
	FIRST_SCORE = 16,
	MOST_SCORE = 64,
};

struct held {
	struct object *object; /* NULL, or maybe gone when nrefs is 0: compared only */
	unsigned nrefs;        /* in advance */
	unsigned score;        /* 0: not used lately */
};

/* docs/ARCHITECTURE.md, shared state: a thread's own. */
static _Thread_local struct held held[HELD_OBJECTS];

static struct held *held_of(const struct object *object)
{
	uintptr_t at = (uintptr_t)object;

	return &held[(at >> 6 ^ at >> 12) & (HELD_OBJECTS - 1)];
}

/* A private one's counter has no other writer. */
static unsigned add_privately(struct object *object, int n)
{
	unsigned refs = atomic_load_explicit(&object->refs_, memory_order_relaxed) + (unsigned)n;

	atomic_store_explicit(&object->refs_, refs, memory_order_relaxed);
	return refs;
}

static void drop(struct object *object, unsigned n)
{
	if (n == 1 && object_is_private(object)) {
		if (add_privately(object, -1) == 0)
			object_destroy(object);
		return;
	}
	/* Release pairs with the acquire of whoever drops the last one, and sees all. */
	if (n > 0 && atomic_fetch_sub_explicit(&object->refs_, n, memory_order_acq_rel) == n)
		object_destroy(object);
}

struct object *object_ref(struct object *object)
{
	struct held *own = held_of(object);

	if (own->object != object) {
		if (object_is_private(object))
			add_privately(object, 1);
		else
			atomic_fetch_add_explicit(&object->refs_, 1, memory_order_relaxed);
		return object;
	}
	if (own->nrefs == 0) {
		atomic_fetch_add_explicit(&object->refs_, ADVANCE, memory_order_relaxed);
		own->nrefs = ADVANCE;
	}
	own->nrefs--;
	return object;
}

void object_unref(struct object *object)
{
	struct held *own;

	if (!object)
		return;
	own = held_of(object);
	if (own->object != object) {
		drop(object, 1);
	} else if (++own->nrefs > 2 * ADVANCE) { /* others take what this one drops */
		own->nrefs -= ADVANCE;
		drop(object, ADVANCE);
	}
}

static void give_back(struct held *own)
{
	struct held old = *own;

	*own = (struct held){0}; /* first: a destroy drops references too */
	drop(old.object, old.nrefs);
}

void object_tidy_held(void)
{
	for (int i = 0; i < HELD_OBJECTS; i++) {
		if (held[i].score == 0)
			give_back(&held[i]);
		held[i].score = 0;
	}
}

void object_drop_held(void)
{
	for (int i = 0; i < HELD_OBJECTS; i++)
		give_back(&held[i]);
}

/* ---- at a thread's end */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void run_at_exit(void *unused)
{
	(void)unused;
	object_drop_held();
}

static void set_up(void)
{
	check(pthread_key_create(&at_exit, run_at_exit) == 0);
}

/* One that is still being filled may grow, and have a file (cache/object_spool.c). */
static bool may_outlive_its_users(const struct object *object)
{
	return object_is_whole(object) && object_memory_bytes(object) <= HELD_MAX_BYTES;
}

static void begin_to_hold(struct held *own, struct object *object)
{
	pthread_once(&once, set_up);
	if (!may_outlive_its_users(object) || pthread_setspecific(at_exit, held) != 0)
		return;
	give_back(own);
	own->object = object;
	own->score = FIRST_SCORE;
}

struct object *object_ref_often(struct object *object)
{
	struct held *own = held_of(object);

	if (own->object != object && own->score > 0)
		own->score--;
	else if (own->object != object)
		begin_to_hold(own, object);
	else if (own->score < MOST_SCORE)
		own->score++;
	return object_ref(object);
}

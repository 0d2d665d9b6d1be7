/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/object_internal.h: what object.c (life, producer), object_reader.c (readers, wakes) and
 * object_refs.c (references) share. */
#ifndef CACHE_OBJECT_INTERNAL_H
#define CACHE_OBJECT_INTERNAL_H
#include "cache/object.h"

/* Bytes [start, start + cap) of the body. All chunks but the last are full. The producer links a
 * chunk before it publishes bytes of it, so next is there for whoever sees such a length. A chunk
 * leaves the list early only when it has a next one; it is freed when it is on loan to no reader,
 * too. Behind a chunk off the list, next means something only to who has that one on loan as
 * well. */
struct object_chunk {
	struct object_chunk *next;
	uint64_t start;
	uint32_t cap;
	unsigned is_embedded : 1, /* lies in heads_ */
		is_off_list : 1,
		nloans : 30; /* guarded by the object's lock, as is_off_list is */
	char *bytes;         /* behind the struct, or a piece of a file (object->piece_) */
};

/* This thread's, who alone may ask (object_make_private). */
static inline bool object_is_private(const struct object *object)
{
	return lock_is_private(&object->shared.lock);
}

/* ---- object_spare.c: memory that a thread uses again. A zeroed object but for its spare heads: */
struct object *object_take_spare(void);
/* False: the caller frees it. */
bool object_keep_spare(struct object *object);
/* What heads_ is to be from now on. */
char *object_take_heads(struct object *object, size_t bytes);

/* No reference is left (object_refs.c). */
void object_destroy(struct object *object);

/* The readers of one loop that is not the producer's: one mail wakes all that wait. Lives as long
 * as the object, to which the mail under way holds a reference. */
struct object_watch {
	struct mail mail;
	struct object *object;
	struct loop *loop;
	struct object_watch *next;
	struct object_watch *post_next; /* the producer's, while it posts */
	bool is_posted;
};

/* What is to be done once the lock is dropped. */
struct object_wakes {
	struct object_reader *readers; /* of the producer's own loop */
	struct object_watch *watches;
};

/* The producer has news: wakes whoever waits. */
void object_collect_wakes_locked(struct object *object, struct object_wakes *wakes);
void object_send_wakes(struct object *object, const struct object_wakes *wakes);

/* Takes off the chunks that nobody needs any more. Returns those that can go at once; the caller
 * frees them without the lock. */
struct object_chunk *object_cut_passed_locked(struct object *object);
void object_free_chunks(struct object_chunk *chunk);

/* How far the slowest reader is; and the fastest one, but for who spools. */
uint64_t object_slowest_locked(const struct object *object);
uint64_t object_fastest_locked(const struct object *object);
/* A reader of object that is not on its list. Takes a reference. */
void object_reader_init(struct object_reader *reader, struct object *object, uint64_t offset,
			struct loop *loop, void (*wake)(void *owner), void *owner);
/* The chunk becomes what the reader has on loan; it is the reader's alone. */
void object_lend_private(struct object_reader *reader, struct object_chunk *chunk);

/* ---- object_spool.c */
struct object_spooler; /* opaque: makes a spool and fills it */
/* NULL: none is to be made. */
struct object_spooler *object_create_spooler(struct object *object);
/* It starts to read where the body begins, if it is time for it: joined, not kept, and there is
 * none. Then object_start_spooler without the lock; accepts NULL. */
bool object_adopt_spooler_locked(struct object *object, struct object_spooler *spooler);
void object_start_spooler(struct object_spooler *spooler, bool is_adopted);
/* Do the first bytes, up to passed, stay for who may come yet? Else their share of memory is given
 * back. */
bool object_holds_back_locked(struct object *object, uint64_t passed);
/* What the reader wants next is not in memory. DATA: now it is. */
enum object_read object_unspool(struct object_reader *reader);
/* The reader closes. */
void object_forget_unspooling(struct object_reader *reader);

/* ---- object_linger.c: NULL, or who is to be told (object_tell_let_go) that nobody needs it any
 * more. */
struct object_let_go {
	void (*call)(void *owner, struct object *object);
	void *owner;
};
struct object_let_go object_take_let_go_locked(struct object *object);
static inline void object_tell_let_go(struct object *object, const struct object_let_go *let_go)
{
	if (let_go->call)
		let_go->call(let_go->owner, object);
}

static inline bool object_is_kept(const struct object *object)
{
	return atomic_load_explicit(&object->is_kept_, memory_order_relaxed);
}

/* ---- object_producer.c */
void object_set_producer(struct object *object, struct loop *loop, void (*wake)(void *producer),
			 void *producer);
/* For readers: is the producer to be told? If so, object_wake_producer without the lock, with the
 * loop of the calling thread. */
bool object_producer_is_due_locked(struct object *object, bool has_last_reader_left);
void object_wake_producer(struct object *object, struct loop *from);

#endif

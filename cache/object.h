/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/object.h: one response: a single producer appends, any number of readers follow.
 *
 *     EMPTY → FILLING → COMPLETE      (EMPTY, FILLING → ABORTED)
 * The producer (an origin fetch, the disk tier, an error page) sets the head, appends the body and
 * ends it. Readers take what is there and wait for more; a reader opened before the head is known
 * waits for that too. A complete object is immutable. Hits, streaming misses, collapsed requests,
 * storing to disk and plain relaying all go through this.
 *
 * Memory: an object that may be kept (object_keep) holds all of its body. Any other frees what its
 * slowest reader has passed, and tells its producer to pause when it is gap_bytes ahead of it. If
 * others may come (object_offer_spool), the first OBJECT_HELD_BACK_BYTES stay for them, while there
 * is room. If several share it (object_join), and it has a spool (cache/spool.h): then memory holds
 * the newest OBJECT_WINDOW_BYTES, who is behind reads from the spool, and the fastest sets the
 * pace.
 *
 * Threads: the producer's functions belong to one thread, that of its loop; reader functions to the
 * reader's loop; the head and what lies before the published length may be read by anyone who holds
 * a reference. A thread that runs no loop may produce or read as well (loop NULL): its wake is then
 * called on whatever thread, under the object's lock, and may only signal.
 * Publishing is a release-store of the length, paired with the acquire-load in object_read. Waiting
 * readers stand on a list under the object's lock; each other loop gets one mail for many of them.
 * A complete object that was kept is read without the lock.
 * Ownership: counted; readers and the index hold a reference each. */
#ifndef CACHE_OBJECT_H
#define CACHE_OBJECT_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "cache/body_file.h"
#include "cache/freshness.h"
#include "lib/base/epoch.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/str.h"
#include "lib/http/content_coding.h"
#include "lib/net/loop.h"

enum object_state {
	OBJECT_EMPTY,
	OBJECT_FILLING,
	OBJECT_COMPLETE,
	OBJECT_ABORTED,
};

enum {
	OBJECT_CHUNK_BYTES = 32768,
	OBJECT_WINDOW_BYTES = 524288,
	OBJECT_HELD_BACK_BYTES = 4 << 20,
};

struct object_chunk; /* opaque */
struct object_watch; /* opaque */
struct spool;        /* cache/spool.h */
struct spools;

/* What the producer knows when the head is there; all spans are copied. */
struct object_head {
	int status;
	struct str head;   /* "HTTP/1.1 200 OK\r\n" and the end-to-end fields, each with its CRLF,
			      without Age, Set-Cookie and the empty line, a Via last: what a hit
			      sends first */
	struct str head_once; /* Set-Cookie fields and the like: for who asked for it only */
	struct str url;    /* the key, as text */
	struct str vary;   /* cache/vary.h's record of what it answers; empty: any request */
	int64_t body_bytes; /* known length of the body (0: there is none, as for HEAD), or -1 */
	struct freshness_facts facts; /* times and directives, cache/freshness.h */
	struct str decision; /* why it may be stored, for people; may be empty */
	uint64_t since;      /* purge_list_now (cache/purge.h) from before it was asked for */
};

struct object {
	atomic_uint refs_;
	_Atomic(int) state_;       /* enum object_state; stored with release: who sees FILLING sees
				      the head, and who sees COMPLETE the final length */
	_Atomic(uint64_t) length_; /* published bytes of the body */
	/* set by object_set_head, immutable afterwards */
	int status;
	struct str head, head_once, url, vary;
	int64_t body_bytes;
	struct freshness_facts facts;
	struct str trailers; /* lines of fields behind a chunked body; set before COMPLETE */
	struct str decision;
	uint64_t since;
	uint64_t key;              /* the fingerprint it is indexed under; 0: never indexed */
	_Atomic(uint64_t) disk_id; /* its row in the store; 0: none */
	/* the index's (cache/index.c): written under the lock of its shard; what is atomic is read
	 * without it */
	struct {
		_Atomic(struct object *) next;
		union {
			struct list node;          /* while it is stored */
			struct epoch_item retired; /* once it was taken out */
		};
		atomic_size_t bytes;
		unsigned char place;
		atomic_uchar marks; /* eviction counter: marked on a hit, nothing moves */
		_Atomic(uint32_t) rank; /* under another policy (cache/index_rank.c); relaxed */
	} index_;
	struct {
		struct lock lock;
		struct list readers; /* open ones, but for those that need no lock */
		unsigned nreaders, nwaiting;
		struct object_chunk *first;
		struct object_watch *watches; /* one a loop with readers that had to wait */
		bool is_producer_waiting, is_producer_woken;
		int abort_error; /* errno-like reason, for the log */
		bool is_joined;  /* several read it from its beginning */
		struct object_reader *spooler; /* what it has passed is in the spool; NULL: not, or no more */
		bool is_spool_full; /* it waits for room */
		struct spool *spool;             /* has bytes [spooled_from, spooled_to) */
		uint64_t spooled_from, spooled_to;
		uint64_t held_back; /* bytes from the beginning that all have passed (spools_hold) */
		unsigned nstores;   /* on their way to a disk (object_begin_store) */
		void (*let_go)(void *owner, struct object *object); /* NULL: it does not linger */
		void *let_go_owner;
	} shared;
	atomic_bool has_lost_beginning_; /* relaxed */
	atomic_bool is_kept_;
	bool stands_for_disk; /* EMPTY: aborted as soon as what it stands for is found on disk, or given up;
				 immutable once indexed */
	atomic_uchar own_fields; /* whoever sends the head notes here what it has; 0: not yet; relaxed */
	atomic_size_t memory_bytes_;
	/* the producer's */
	struct object_chunk *last_;
	struct loop *producer_loop_;
	void (*producer_wake_)(void *producer); /* cleared under the lock */
	void *producer_;
	struct loop_task producer_task_;
	struct mail producer_mail_;
	struct spools *spools_; /* NULL: none is to be made */
	uint64_t gap_bytes_;
	uint32_t max_chunk_bytes_; /* 0: OBJECT_CHUNK_BYTES */
	/* published with COMPLETE */
	bool is_whole_; /* and kept: whole_ and what follows it never change */
	struct object_chunk *whole_;
	struct object *body_of_; /* whose body this one shares (a 304 renewed its head) */
	struct body_piece piece_; /* the body, when it lies in a file (object_create_filed) */
	/* The same in other content codings, a reference each, once there is one
	 * (cache/coding.h). */
	_Atomic(struct object *) coded_[CODINGS];
	char *heads_;            /* the memory behind the spans above, and behind a small body */
	bool has_spare_heads_;   /* of the size that is used again (object_spare.c) */
	char *trailers_;
	char *url_;              /* the same for a URL that was known before the head */
};

/* An empty object with one reference, the caller's. wake (may be NULL) tells the producer, from
 * loop, that it may append again or that the last reader left; see object_may_append. */
struct object *object_create(struct loop *loop, void (*wake)(void *producer), void *producer,
			     uint64_t gap_bytes);
/* Likewise; but until object_publish only this thread has references, readers' too, so that neither
 * counting them nor locking takes atomic operations. */
struct object *object_create_private(struct loop *loop, void (*wake)(void *producer),
                                     void *producer, uint64_t gap_bytes);
/* By that thread, before others can get at the object: the index, the store and the partials do
 * this. */
void object_publish(struct object *object);
struct object *object_ref(struct object *object);
void object_unref(struct object *object); /* accepts NULL */

/* As object_ref, for one that this thread is likely to take again and again: it may take references
 * in advance, and then object_ref and object_unref on this thread write to its own memory only, so
 * that many threads can be busy with one object. Small, whole ones only: at most some
 * OBJECT_HELD_BYTES a thread outlive their last user by that. Given back at the thread's end, or by
 * object_tidy_held. */
enum { OBJECT_HELD_BYTES = 1 << 20 };
struct object *object_ref_often(struct object *object);
/* Gives back what this thread has in advance and did not use since the last call; call it now and
 * then. */
void object_tidy_held(void);
/* All of it: for a thread that goes on but has nothing to do with objects any more. */
void object_drop_held(void);

/* A complete object with a body of its own in one piece: error pages, small answers made here. */
struct object *object_create_whole(const struct object_head *head, struct str body);
/* Room for a body of body_bytes in one piece, whole once the caller has filled *body and called
 * object_commit and object_finish. */
struct object *object_create_blank(const struct object_head *head, char **body);
/* As old, but with another head: what a 304 makes of it. The body is shared; of an old that is not
 * whole (it comes from disk) it is read through old, and the new object stays FILLING. */
struct object *object_create_renewed(struct object *old, const struct object_head *head);

/* As old, which is whole and not empty, with its body in a file, for sendfile, and without what old
 * has for who asked for it alone. NULL: that cannot be had here. */
struct object *object_create_filed(struct object *old);
/* Where the body of a complete object lies in a file; false: in memory only. */
bool object_file(const struct object *object, int *fd, int64_t *offset);

/* ---- the producer's */
void object_set_head(struct object *object, const struct object_head *head); /* EMPTY → FILLING */
/* The URL before the head is known, so that others may join (called by the index). */
void object_set_url(struct object *object, uint64_t key, struct str url);
/* The body is to stay as a whole (it may be indexed), or no longer (it grew too large). At first it
 * is not; say so before the first append. */
void object_keep(struct object *object, bool keep);
/* If several share it and it is not kept, a spool may be made. Before the head. NULL: none. */
void object_offer_spool(struct object *object, struct spools *spools);
/* Chunks have at most so many bytes: what waits for more for hours holds one. */
void object_limit_chunks(struct object *object, uint32_t max_bytes);
/* Room behind the last byte, at least 1 byte: read into it, then object_commit what came. */
char *object_reserve(struct object *object, size_t *room);
void object_commit(struct object *object, size_t len);
void object_append(struct object *object, struct str bytes); /* copies */
/* False: far enough ahead of the slowest reader; stop reading until wake. Kept: always true. */
bool object_may_append(struct object *object);
/* Every OBJECT_SHED_MS while it may not: if others have read all there is and wait, those on whose
 * account it may not and who have hardly read for some seconds read no more. (A spool that does not
 * get on, too.) */
enum { OBJECT_SHED_MS = 1000 };
void object_shed(struct object *object);
/* Nothing is there yet, nor appended before a reader waits: then wake comes. */
void object_await_reader(struct object *object);
/* Where the slowest reader stands; UINT64_MAX: there is none. */
uint64_t object_first_wanted(struct object *object);
/* What comes first belongs at offset; readers of what lies before it are told ABORTED. Before the
 * first append, and never kept. */
void object_begin_at(struct object *object, uint64_t offset);
/* Does anybody but the caller hold a reference? */
bool object_is_shared(const struct object *object);
/* How many are reading, but for those aside? (Nobody: quick_abort decides whether the producer goes
 * on.) */
unsigned object_nreaders(struct object *object);
/* Copies. Before object_finish, with which they become visible. */
void object_set_trailers(struct object *object, struct str lines);
/* → COMPLETE: the body is whole. With another length than body_bytes: cut short, → ABORTED. */
void object_finish(struct object *object);
void object_abort(struct object *object, int error);   /* → ABORTED: it was cut short */
/* The producer is going away or wants no more wakes (finish and abort imply it). */
void object_forget_producer(struct object *object);

/* ---- between its end and its place in a store */

/* What is COMPLETE and not whole has its use for as long as it is on its way to a disk, or has its
 * beginning and is read by somebody. When neither is so any more, or a disk has it:
 * let_go(owner, object), once, on whatever thread, without locks. False: so it is already, and
 * let_go is not called. */
bool object_linger(struct object *object, void (*let_go)(void *owner, struct object *object),
		   void *owner);
/* Around each store of what is not whole; at its end the disk has it (disk_id is set), or gave it
 * up. */
void object_begin_store(struct object *object);
void object_end_store(struct object *object);

/* ---- any holder */
static inline enum object_state object_state(const struct object *object)
{
	return (enum object_state)atomic_load_explicit(&object->state_, memory_order_acquire);
}
static inline uint64_t object_length(const struct object *object)
{
	return atomic_load_explicit(&object->length_, memory_order_acquire);
}
/* Bytes that the object takes in memory, its heads and itself counted. */
size_t object_memory_bytes(const struct object *object);
/* The same response in another content coding: whole, or NULL. It lives as long as object. */
static inline struct object *object_coded(const struct object *object, enum content_coding coding)
{
	return atomic_load_explicit(&object->coded_[coding], memory_order_acquire);
}
/* Gives object such a one: a reference of its own, counted in object's memory (index_note_growth).
 * False, and nothing done: it has one already. Any thread. */
bool object_add_coded(struct object *object, enum content_coding coding, struct object *coded);
/* Is its beginning still there, for who has not begun to read? */
static inline bool object_has_beginning(const struct object *object)
{
	return !atomic_load_explicit(&object->has_lost_beginning_, memory_order_relaxed);
}
/* From now on several read it from its beginning, where the caller has a reader (or nothing was
 * appended yet). False: its beginning is gone. */
bool object_join(struct object *object);
/* What object_abort was told; 0 before. */
int object_abort_error(struct object *object);
/* Complete, and all of it in memory: may be indexed, renewed and read at any offset. */
static inline bool object_is_whole(const struct object *object)
{
	return object_state(object) == OBJECT_COMPLETE && object->is_whole_;
}

/* ---- readers */
enum object_read {
	OBJECT_READ_DATA, /* *niov pieces are filled */
	OBJECT_READ_WAIT, /* wake will come */
	OBJECT_READ_END,  /* the body is whole and all of it was read */
	OBJECT_READ_ABORTED,
};

struct object_reader {
	struct object *object; /* a reference; NULL: closed */
	struct loop *loop;
	void (*wake)(void *owner); /* from loop: something changed */
	void *owner;
	uint64_t offset;            /* of the next byte */
	struct object_chunk *chunk_; /* offset lies in it or behind it; NULL: unknown */
	struct object_chunk *last_;  /* while it is listed: those from chunk_ to this one are on loan */
	struct object_unspooling *unspooling_; /* bytes on their way from the spool; NULL: none */
	bool is_listed_, is_aside_;
	/* guarded by the object's lock while it is listed */
	struct list node_;
	struct object_watch *watch_;
	uint64_t passed_; /* offset as the producer knows it: before it, chunks may be freed */
	bool is_waiting_;
	bool is_lost_; /* nothing more is read; passed_ is UINT64_MAX */
	unsigned nstood_;   /* times in a row that it held up others, */
	uint64_t stood_at_; /* since it was here */
	/* the loop's */
	struct object_reader *wake_next_;
	struct loop_task task_;
};

/* Takes a reference. The reader starts at offset. (What is not kept may have been freed there: then
 * object_read says ABORTED.) */
void object_reader_open(struct object_reader *reader, struct object *object, uint64_t offset,
			struct loop *loop, void (*wake)(void *owner), void *owner);
/* The same for who stores it, which is not counted by object_nreaders. */
void object_reader_open_aside(struct object_reader *reader, struct object *object, uint64_t offset,
			      struct loop *loop, void (*wake)(void *owner), void *owner);
/* Fine on a closed one. Drops the reference; wake is not called again. */
void object_reader_close(struct object_reader *reader);

/* WAIT until the head is known (or ABORTED, also when that came later); else DATA at once, with
 * nothing filled. */
enum object_read object_reader_head(struct object_reader *reader);

/* Up to max pieces and max_bytes of what comes next, without passing it: the bytes stay valid until
 * object_reader_advance passes them or the reader is closed. What came before an abort is given
 * first. */
enum object_read object_read(struct object_reader *reader, struct iovec *iov, int max,
			     uint64_t max_bytes, int *niov);
void object_reader_advance(struct object_reader *reader, uint64_t len);
/* Goes on at offset, which lies at or behind the present one, published or not. */
void object_reader_skip(struct object_reader *reader, uint64_t offset);

#endif

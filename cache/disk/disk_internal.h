/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk_internal.h: what the parts of the disk tier share.
 *
 *     worker ── disk_lookup ──> disk_reader (2 threads) ── done ──> worker
 *     worker ── disk_store ───> disk_feed (1 thread, follows bodies) ──> disk_writer (1 thread)
 *                          └── a complete object ──────────────────────┘
 *     disk_writer ── disk_checkpoint (1 thread, writes SQLite's log back) ── done ──> disk_writer
 * Locks are leaves: the index's shards, pins, doubts, and each job's own. */
#ifndef CACHE_DISK_INTERNAL_H
#define CACHE_DISK_INTERNAL_H
#include <pthread.h>
#include <stdatomic.h>

#include "cache/disk/disk.h"
#include "cache/disk/disk_admission.h"
#include "cache/disk/disk_index.h"
#include "cache/disk/schema.h"
#include "cache/object.h"
#include "lib/base/health.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/net/loop.h"

struct disk_feed;
struct disk_peek;
struct disk_reader;
struct disk_writer;

enum {
	/* Fills the overflow pages of 8192 bytes exactly (8 * 8188, and the rest in the leaf). */
	DISK_PIECE_BYTES = 66500,
	DISK_NREADERS = 2,
	DISK_MAX_VARIANTS = 64, /* of one key that a look-up compares, newest first */
	DISK_QUEUE_BYTES = 8 << 20,
	DISK_MAX_DOUBTS = 1 << 16, /* removals that wait; more cost the file */
	DISK_NRENEWALS = 64, /* buckets */
	DISK_MAX_HEAD_BYTES = 1 << 20, /* of a row's header, url and vary, each */
};

/* A body being read from disk: the writer leaves its pieces alone. */
struct disk_pin {
	struct list node;
	uint64_t id;
};

/* Keys whose removal is queued: what was stored before the removal was asked is not to be found. */
struct disk_doubt {
	struct list node;
	uint64_t key, seq;
};

/* The head of a row that is on its way into the file. */
struct disk_renewal {
	struct list node;
	uint64_t id;
	struct object *object; /* a reference */
};

enum disk_count {
	COUNT_LOOKUPS,
	COUNT_HITS,
	COUNT_READ_NOW,
	COUNT_STORED,
	COUNT_STORED_BYTES,
	COUNT_REFUSED,
	COUNT_NOT_ADMITTED,
	COUNT_DROPPED,
	COUNT_EVICTED,
	COUNT_REMOVED,
	COUNT_BAD_PIECES,
	COUNT_FAULTS,
	COUNT_RECREATED,
	COUNT_COMMITS,
	COUNT_WRITTEN_BYTES,
	COUNT_USED_BYTES, /* a reading */
	DISK_NCOUNTS
};

struct disk {
	/* immutable after disk_open */
	struct disk_config config;
	char *directory, *path;
	int lock_fd; /* the writer's, once that runs */
	uint64_t seed;
	struct disk_index *index;
	struct disk_admission *admission;
	struct disk_writer *writer;
	struct health_note health; /* the writer's, once that runs */
	struct disk_feed *feed;
	struct disk_reader *readers[DISK_NREADERS];
	/* any thread, relaxed unless said: readings and counters */
	_Atomic(int) state;         /* enum disk_state; the writer's to set */
	_Atomic(int) budget;        /* enum disk_budget; the same */
	_Atomic(uint64_t) low_bytes, high_bytes; /* the marks, at most the cap */
	atomic_bool is_loading;     /* release by the writer after the last insert, acquire in look-ups */
	atomic_bool is_borrowed;    /* another process has the lock: small bodies are read, no more */
	atomic_bool is_void;        /* more was removed than can wait: the file is to go, unread */
	atomic_uint nholding;       /* readers that are ready for another process to write */
	atomic_uint nstalled;       /* of the readers: all of them, and nobody is asked */
	atomic_uint generation;     /* of the file: readers open it anew when it changed */
	atomic_uint next_reader;
	/* purges that have not come to all their rows, and what the list was at before the first */
	atomic_uint npurges;
	_Atomic(uint64_t) purged_since;
	_Atomic(uint64_t) next_seq;
	atomic_uint nrenewals;
	_Atomic(uint64_t) queued_bytes;
	_Atomic(uint64_t) counts[DISK_NCOUNTS];
	struct {
		struct lock lock;
		struct list pins;   /* struct disk_pin */
		struct list doubts; /* struct disk_doubt */
		unsigned ndoubts;
		struct list stores; /* struct disk_store, all of them */
		struct list renewals[DISK_NRENEWALS]; /* struct disk_renewal, by id, the newest first */
	} shared;
	/* how disk_lookup_now sees the file (cache/disk/disk_peek.h) */
	struct {
		struct lock lock;
		struct disk_peek *peek; /* NULL: not now */
		bool is_taken;          /* by the reader that opens or closes it */
	} door;
};

/* Is a row of this URL and head meant by a purge that may not have come to it yet? Any thread. */
bool disk_is_purged(struct disk *disk, struct str url, struct str head);

static inline void disk_count(struct disk *disk, enum disk_count which, uint64_t n)
{
	atomic_fetch_add_explicit(&disk->counts[which], n, memory_order_relaxed);
}

/* For the log: the first such fault is worth a line, the others are counted. */
static inline int disk_count_fault(struct disk *disk, enum disk_count which)
{
	return atomic_fetch_add_explicit(&disk->counts[which], 1, memory_order_relaxed) == 0 ? 1
	                                                                                     : 2;
}

/* The writer's: another process may have the file. */
void disk_drop_lock(struct disk *disk);

/* For `bobtailctl health`. reason may be NULL. */
void disk_tell_health(struct disk *disk, enum disk_state state, const char *reason);

static inline enum disk_state disk_state(struct disk *disk)
{
	return (enum disk_state)atomic_load_explicit(&disk->state, memory_order_relaxed);
}

/* From disk_pin to disk_unpin the pieces of id stay, though the object goes. */
void disk_pin(struct disk *disk, struct disk_pin *pin, uint64_t id);
void disk_unpin(struct disk *disk, struct disk_pin *pin);
bool disk_is_pinned(struct disk *disk, uint64_t id);

/* Stores of key that were asked for before are unwanted from here on. False: too many doubts wait,
 * so that all of the file is in doubt now, and this one was not taken. */
bool disk_doubt(struct disk *disk, struct disk_doubt *doubt, uint64_t key);
void disk_doubt_end(struct disk *disk, struct disk_doubt *doubt);
/* Was all of key removed after seq? */
bool disk_is_doubted(struct disk *disk, uint64_t key, uint64_t seq);

/* From now until the end, which frees it, look-ups of the row find object's head. */
struct disk_renewal *disk_renewal_begin(struct disk *disk, uint64_t id, struct object *object);
void disk_renewal_end(struct disk *disk, struct disk_renewal *renewal);
/* A reference to the newest such object; NULL: the row has its head. To be asked before the row is
 * read. */
struct object *disk_renewal_find(struct disk *disk, uint64_t id);
/* Into the row's head, whose text then is renewed's, if it speaks of the same. renewed may be
 * NULL. */
void disk_renewal_apply(const struct object *renewed, struct object_head *head);

/* True, and charged, if the queue takes nbytes more; an empty queue takes anything. */
bool disk_queue_charge(struct disk *disk, uint64_t nbytes);
void disk_queue_release(struct disk *disk, uint64_t nbytes);

/* A row's id as objects have it: with the disk's number above. */
static inline uint64_t disk_tag(const struct disk *disk, uint64_t id)
{
	return (uint64_t)disk->config.number << SCHEMA_ID_BITS | id;
}

static inline bool disk_is_spent(struct disk *disk)
{
	return atomic_load_explicit(&disk->budget, memory_order_relaxed) == DISK_BUDGET_SPENT;
}

/* What an object costs of the cap. */
static inline uint64_t disk_cost(const struct object *object, uint64_t body_bytes)
{
	enum { ROWS_BYTES = 128 };

	return body_bytes + object->head.len + object->url.len + object->vary.len + ROWS_BYTES;
}

/* From the low mark on, what is stored pushes something out; the high one is not passed. */
static inline uint64_t disk_low_bytes(const struct disk *disk)
{
	return atomic_load_explicit(&disk->low_bytes, memory_order_relaxed);
}

static inline uint64_t disk_high_bytes(const struct disk *disk)
{
	return atomic_load_explicit(&disk->high_bytes, memory_order_relaxed);
}

/* The writer makes room for a batch down to so much below the high mark. */
static inline uint64_t disk_spare_bytes(const struct disk *disk)
{
	enum { MOST_BYTES = 4 << 20 };
	uint64_t spare = disk->config.max_bytes / 100;

	return spare < MOST_BYTES ? spare : MOST_BYTES;
}

/* Makes the directory where it is missing, and holds the lock in it (again, when it was deleted).
 * ERR_BUSY: another process has it. */
enum err disk_hold_directory(struct disk *disk, struct err_text *why);
/* Moves a file that is not sound to cache.db.damaged, and its companions away. */
void disk_set_aside(const char *path);
/* Opens the writing connection, setting a damaged file aside and making tables in an empty one (by
 * seed; 0: a random one). On failure *db is untouched. */
enum err disk_open_database(const char *path, uint64_t max_bytes, uint64_t seed, sqlite3 **db,
			    struct err_text *why);

#endif

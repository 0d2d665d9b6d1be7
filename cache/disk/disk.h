/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/disk/disk.h: the disk tier: every stored response in one SQLite file, DIRECTORY/cache.db.
 *
 * A worker asks disk_may_have (memory only); if so, disk_lookup, which a reader thread answers by
 * mail. disk_store hands an object to the writer thread, which commits in batches: an object is
 * found from its commit on, whole or not at all. Nobody waits for the writer: what its queue cannot
 * take is not stored. A fault of the file (full, locked, damaged, gone) turns the tier off for a
 * while, with one line in the log at each change of state, and never reaches a caller.
 *
 * Threads: every function but open and close may be called from any thread, at any time between
 * these two. No lock is held across a system call. Ownership: said at each function. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/eviction.h"
#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/str.h"
#include "lib/net/loop.h"

struct disk;      /* opaque */
struct disk_job;  /* opaque */
struct http_head; /* lib/http/message.h */
struct object;    /* cache/object.h */
struct purge;      /* cache/purge.h */
struct purge_list;

/* How full it may get, in percent of the cap; 0: that is no less than the cap. Above low, room is
 * made little by little; high is not passed. A high one below the low one is as the low one is. */
struct disk_marks {
	unsigned low_percent, high_percent;
};

struct disk_config {
	unsigned number;           /* among several: part of its objects' disk_id, below 4096 */
	uint64_t seed;             /* of keys; 0: the file's own. Another one's keys are made anew */
	const char *directory;     /* made with mode 0750 when missing */
	uint64_t max_bytes;        /* the cap: pages in use, whatever is in them */
	struct disk_marks marks;
	enum eviction policy;      /* who leaves, and who is let in, when it is full */
	uint64_t min_object_bytes; /* smaller and larger bodies are not stored; */
	uint64_t max_object_bytes; /* max 0: a fourth of the cap */
	bool no_store;             /* hits are served, nothing is added */
	bool is_patient;           /* what may pass is no error: DISK_OFF, trying again by itself */
	uint64_t queue_bytes;      /* what may wait for the writer; 0: 8 MiB */
	unsigned batch_wait_ms;    /* how long a commit waits for more to be in it; 0: 200 */
	uint64_t write_budget_bytes; /* that may be written to the file a day; 0: any number */
	/* A row went, or its expiry was changed, by SQL typed elsewhere: memory must forget its
	 * copy. May be NULL. From the writer thread; may not call into the disk. */
	void (*on_removed)(void *owner, uint64_t key, uint64_t id);
	/* An object that disk_store took was committed, and look-ups find it. May be NULL. From the
	 * writer thread; may not call into the disk. */
	void (*on_stored)(void *owner, struct object *object);
	void *owner;
	/* What was asked for before one of them is not stored after it; NULL: there are none.
	 * Outlives the disk. */
	struct purge_list *purges;
};

/* Opens or makes the database, locks it (cache.db.lock) and starts one writer and two reader
 * threads; a damaged file is renamed to cache.db.damaged first. Refuses (ERR_DISK) a database that
 * is another program's, or newer than this one, a second process, a network file system. A patient
 * one waits until the second process, a read-only or missing directory and the like have gone. On
 * failure
 * *out is untouched, nothing stays open, and why holds the sentence for cache.log. */
enum err disk_open(const struct disk_config *config, struct disk **out, struct err_text *why);

/* Commits what is queued (within some seconds), ends the threads and closes. Queries not answered
 * yet are: without an object. The loops that asked must still be there. Accepts NULL. */
void disk_close(struct disk *disk);

/* From now on. What is above them goes in small transactions, not at once. */
void disk_set_marks(struct disk *disk, struct disk_marks marks);

/* Another process takes the file over: what is queued is committed (within some seconds), the lock
 * let go, nothing more written; look-ups go on. For good. Any thread; returns at once. */
void disk_hand_over(struct disk *disk);

/* `-z`: makes the directory and an empty database where there is none, and checks one that is. */
enum err disk_create_only(const struct disk_config *config, struct err_text *why);

/* The seed for the keys of this database: it lies in it, so that keys outlive a restart. */
uint64_t disk_seed(const struct disk *disk);
/* Where it lies, as its disk_config said; lives as long as the disk. */
const char *disk_directory(const struct disk *disk);
/* That of the database in a directory, which is not open yet; 0: there is none. */
uint64_t disk_read_seed(const char *directory);

/* The config's number of the disk that an object->disk_id (not 0) is of. */
unsigned disk_number(uint64_t disk_id);
uint64_t disk_row(uint64_t disk_id); /* and the row there */

/* Would a body of so many bytes (-1: not known) be stored now, by limits and state? */
bool disk_takes(struct disk *disk, int64_t body_bytes);
/* How full it is, in thousandths, with what is on its way. */
unsigned disk_fill(struct disk *disk);
bool disk_is_there(struct disk *disk);   /* not DISK_OFF */
bool disk_is_loading(struct disk *disk); /* disk_may_have says yes to all */

/* False: nothing under key is on disk. True: ask. One short lock, memory only. */
bool disk_may_have(struct disk *disk, uint64_t key);

/* Is that row in the index? It is not any more from its removal on, by whomever. Memory only. */
bool disk_has(struct disk *disk, uint64_t key, uint64_t id);

/* Of objects that the caller has. */
struct disk_known {
	uint64_t id[16]; /* object->disk_id */
	unsigned n;
};

/* A question. The caller fills the first part; it, url, head and known stay valid and unchanged
 * until done is called or disk_query_cancel returns. */
struct disk_query {
	uint64_t key;                 /* of method and URL, by disk_seed */
	struct str url;               /* what object->url must equal */
	const struct http_head *head; /* the request's, for cache/vary.h */
	uint64_t keep_bytes;          /* bodies up to this are kept whole (object_keep) */
	bool is_lazy; /* of a large body nothing is read before a reader waits, and then from its place
			 on: for HEAD, Range and conditions */
	/* Not NULL: one with an entity tag that is not known, whatever request it answers (head is
	 * not looked at). To ask the origin whether it does: that is no hit. */
	const struct disk_known *known;
	struct loop *loop;            /* the asking thread's: done is called there */
	/* object: NULL (a miss), or the caller's reference, not indexed, disk_id set. Its body is
	 * complete up to one piece (66500 bytes); a larger one is COMPLETE or still FILLING, with a
	 * reader thread as its producer. */
	void (*done)(struct disk_query *query, struct object *object);
	/* the answer's */
	unsigned nhits; /* how often disk look-ups found this object before, since the start (saturates) */
	struct disk_job *job_;
};

enum disk_now {
	DISK_NOW_FOUND, /* *object: as for done, complete */
	DISK_NOW_MISS,
	DISK_NOW_ASK, /* that would have to wait: disk_lookup */
};
/* The answer at once, when the system has all of it in memory: no wait, no other thread. Of the
 * query, key, url, head, known and is_lazy are looked at, and nhits is set. Bodies of up to four
 * pieces; who is_lazy, one. Any thread. */
enum disk_now disk_lookup_now(struct disk *disk, struct disk_query *query, struct object **object);
/* done comes later, never from within this call. From query->loop's thread. */
void disk_lookup(struct disk *disk, struct disk_query *query);
/* done will not be called any more. From query->loop's thread; fine when there is none under
 * way. */
void disk_query_cancel(struct disk_query *query);
/* The same, since the answer has not come for so long that the device must hang: who could answer
 * is not asked again until this answer is there. */
void disk_query_give_up(struct disk_query *query);

/* Stores object, which replaces older ones of the same key, URL and vary record, or without one.
 * Takes a reference of its own. COMPLETE objects are read in place (cheapest: prefer to call when a
 * kept body is complete); FILLING ones are followed by a thread that never makes the producer wait
 * for the disk; their length must be known or bounded by max_object_bytes, or the store is given
 * up. key: as in disk_query. False: not stored (queue full, size limits, tier off, the write
 * budget; or the disk is full of what is asked for more often: cache/disk/disk_admission.h), and
 * counted. */
bool disk_store(struct disk *disk, struct object *object, uint64_t key);

/* 0: the queue to the writer is at most half full; up to 4 with each eighth more. Who offers more
 * then does well to leave it the processor as often (sched_yield), if they share one. */
unsigned disk_pressure(struct disk *disk);

/* The row's head, times and facts become object's (what a 304 renewed); its body stays. */
void disk_update_head(struct disk *disk, uint64_t id, struct object *object);

/* All variants under key: gone for look-ups at once, from the file soon. Returns how many the index
 * held. (Others whose key collides go too: harmless.) */
unsigned disk_remove_all(struct disk *disk, uint64_t key);
/* The same for one object. */
void disk_remove(struct disk *disk, uint64_t key, uint64_t id);

/* Walks through all rows, in slices between which others are served, and removes or marks what a
 * purge means. The caller fills the first part and keeps it until done. */
struct disk_purge {
	struct purge *purge;
	const char *who;   /* for purge_log, with what; borrowed */
	const char *what;
	uint64_t key;      /* PURGE_URL: where to look; else 0 */
	uint64_t since;    /* purge_list_now, before the purge was put there */
	struct loop *loop; /* done is called there */
	void (*done)(struct disk_purge *job);
	void *owner;
	/* any thread, relaxed */
	_Atomic(uint64_t) nseen, ntotal, nmatched;
	_Atomic(bool) is_waiting; /* the file cannot be written now: it goes on when it can */
	/* the answer's */
	bool is_cut; /* the disk was closed before its end */
	/* private */
	struct mail mail_;
	struct list node_;
	struct disk *disk_;
	uint64_t at_, limit_;
	int64_t started_us_;
};
/* The purge stands on the list already. done comes later, also when the tier is off (then much
 * later). Until then no look-up finds what it means, removed or marked already or not. Threads:
 * one, always the same. */
void disk_purge(struct disk *disk, struct disk_purge *job);

/* A line for purge_log, which keeps the newest thousand. how: "deleted", "stale". */
void disk_log_purge(struct disk *disk, const char *who, const char *how, const char *what,
		    uint64_t objects);

enum disk_state {
	DISK_NORMAL,
	DISK_PAUSED, /* reads, does not store: full, or locked by somebody else */
	DISK_OFF,    /* neither; it tries again by itself */
};

enum disk_budget {
	DISK_BUDGET_AMPLE,
	DISK_BUDGET_SHORT, /* three quarters are used: only what is asked for again and again */
	DISK_BUDGET_SPENT, /* nothing more today */
};

struct disk_stats {
	enum disk_state state;
	bool is_loading;          /* the index is being read */
	uint64_t objects;         /* in the index */
	uint64_t used_bytes, max_bytes, index_bytes;
	uint64_t low_bytes, high_bytes; /* the marks */
	enum eviction policy;
	uint64_t queued_bytes;
	uint64_t lookups, hits;   /* answers, and those that found something */
	uint64_t read_now;        /* hits by disk_lookup_now */
	uint64_t stored, stored_bytes;
	uint64_t refused;         /* disk_store said no, */
	uint64_t not_admitted;    /* of these: not worth what it would push out, or over the budget */
	uint64_t dropped;         /* accepted, but given up: aborted, a fault, too large */
	uint64_t evicted, removed;
	uint64_t bad_pieces;      /* checksums that did not match */
	uint64_t faults, recreated;
	uint64_t commits;
	uint64_t written_bytes;   /* by commits, to the log and to the database */
	enum disk_budget budget;
};
void disk_stats(struct disk *disk, struct disk_stats *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/pool_internal.h: what pool.c (who asks, who waits), pool_member.c (the children) and
 * pool_report.c (what is shown of both) share. All of it is the home loop's, but for what is
 * marked. */
#ifndef HELPERS_POOL_INTERNAL_H
#define HELPERS_POOL_INTERNAL_H
#include <stdatomic.h>

#include "helpers/child.h"
#include "helpers/pool.h"
#include "helpers/pool_report.h"
#include "lib/base/health.h"

/* A line that a child wrote to stderr. */
struct pool_note {
	uint64_t number; /* the child's */
	int64_t at_us; /* monotonic */
	size_t len;
	char text[HELPER_NOTE_BYTES];
};

struct helper_pool {
	struct helper_pool_config config; /* immutable; strings are ours */
	const char *name;                 /* of the program, without its folder */
	struct loop *home;
	uint64_t seed;     /* of the hashes that stand for requests in the log */
	atomic_uint nrefs; /* any thread: owners */
	atomic_uint
		nholds; /* any thread may add, home alone drops: owners together, jobs, processes */
	struct list members; /* active and leaving ones, in start order */
	unsigned nactive;    /* of members, not leaving */
	struct list queue;   /* jobs that wait */
	unsigned nqueued;
	bool is_started, is_retired, is_closed;
	uint64_t last_number; /* #HlprN */
	/* children that die without an answer */
	unsigned nfailures;
	int64_t failed_ms, retry_ms; /* the last such death; no start before */
	struct timer retry;
	struct health_note health; /* while no child can be kept alive */
	bool is_missing;           /* the program cannot be started at all, */
	bool is_unfit;             /* though it is there: only a start shows that it can again */
	atomic_bool is_down;       /* the home's to set; relaxed: it stands for itself */
	/* overload; 0: not */
	int64_t overload_ms, warned_ms, refused_ms;
	struct helper_pool_stats counters;
	char last_end[96]; /* why a child ended last */
	int64_t last_end_us;
	struct pool_note notes[HELPER_NOTES]; /* a ring */
	uint64_t nnotes;                      /* ever */
};

/* One question on its way. From the heap: it outlives a request that is cancelled. */
struct helper_job {
	struct mail mail; /* to the home, then to the asker */
	struct loop *asker;
	struct helper_request *request; /* the asker's; NULL: cancelled */
	atomic_bool is_cancelled;       /* by the asker: the home need not bother */
	struct helper_pool *pool;       /* a hold */
	struct list node;               /* in the queue */
	struct timer timer;
	struct slot *slot; /* NULL while it waits in the queue */
	unsigned nbh, ndeaths, ntimeouts;
	uint64_t conversation; /* 0: none */
	bool goes_on;          /* with its conversation: for the child kept for it alone */
	struct helper_reply *reply; /* with its line behind it */
	size_t len;
	char text[];
};

/* A request that a child has been sent and not answered. */
struct slot {
	struct list node;
	struct member *member;
	uint64_t id;
	int64_t sent_us;
	struct helper_job *job; /* NULL: waited too long, the answer will be dropped */
};

/* One child of a pool; once it is off the list it only waits for its process to go. */
struct member {
	struct list node;
	struct helper_pool *pool;
	struct child *child;
	uint64_t number, last_id;
	struct list slots; /* in the order of sending */
	unsigned nslots;
	unsigned nsilent; /* time-outs since its last answer */
	unsigned nwrong;  /* answers on channels that never were */
	int64_t started_ms;
	uint64_t nreplies, ntimeouts;
	int64_t latest_us; /* what its last reply took */
	struct histogram times;
	uint64_t conversation; /* it is kept for; 0: none */
	struct timer reservation;
	bool was_asked, has_answered, is_leaving;
};

/* ---- pool.c */
bool pool_is_broken(const struct helper_pool *pool); /* no child can be kept alive */
void pool_drop_hold(struct helper_pool *pool); /* may free the pool: the last thing a caller does */
/* Starts what is needed and hands out what waits. */
void pool_pump(struct helper_pool *pool);
void pool_complete(struct helper_job *job, enum helper_code code);
void pool_complete_reply(struct helper_job *job, struct helper_reply *reply);
void pool_requeue(struct helper_job *job); /* to the front */

/* ---- pool_report.c */
void pool_note_stderr(struct helper_pool *pool, uint64_t number, struct str text);
void pool_note_end(struct helper_pool *pool, const char *why);

/* ---- pool_member.c */
/* Starts up to n; returns how many. */
unsigned member_start(struct helper_pool *pool, unsigned n);
/* Looks for the program without starting it; when it cannot be started, looks again in a while. */
void member_look_for_program(struct helper_pool *pool);
/* The one to ask next: idle (in start order), else the least loaded with room; NULL. */
struct member *member_pick(struct helper_pool *pool);
void member_send(struct member *member, struct helper_job *job);
/* The one that is kept for the conversation; NULL. */
struct member *member_of(struct helper_pool *pool, uint64_t conversation);
void member_end_conversation(struct member *member);
/* EOF to those that leave and have nothing to do (all idle ones if is_all). */
void member_stop_idle(struct helper_pool *pool, bool is_all);
void member_stop_all(struct helper_pool *pool);
/* The job in that slot waits no longer. May end the member. */
void member_timed_out(struct slot *slot);

#endif

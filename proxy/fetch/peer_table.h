/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_table.h: what is known of each cache_peer while serving: who uses it, whether it
 * is up, what the operator wants of it. By name, outside the snapshots, so that it survives a
 * reload.
 *
 * Threads: the table is guarded by its lock; a state's counters are atomics (relaxed: each stands
 * for itself) and a state lives as long as the table. */
#ifndef PROXY_PEER_TABLE_H
#define PROXY_PEER_TABLE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/health.h"
#include "lib/base/histogram.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/str.h"
#include "proxy/fetch/retry_budget.h"

struct peer_table; /* opaque */

enum { PEER_REASON_BYTES = 120 };

/* Why a peer is down: bits, of which several may be set. */
enum peer_fault {
	PEER_FAULT_CONNECT = 1, /* connects failed, at least one of them late */
	PEER_FAULT_CHECK = 2,   /* health= or monitorurl= failed */
	PEER_FAULT_ANSWER = 4,  /* requests were not answered at all */
	PEER_FAULT_REFUSED = 8, /* connects were refused, at once: to try one more costs nothing */
	PEER_FAULTS_OF_CONNECTS = PEER_FAULT_CONNECT | PEER_FAULT_REFUSED,
};

struct peer_state {
	struct peer_state *next_;
	struct peer_table *table_;
	char *name;
	atomic_int nconns;       /* open connections, idle ones too */
	atomic_int nidle;        /* of these */
	atomic_int nactive;      /* requests that it has now (max-conn, least-conn); peer_queue.h */
	atomic_int nwaiting;     /* requests that wait for it to have less */
	atomic_int nfails;       /* connects that failed in a row */
	atomic_int nrefused;     /* of them, the last ones, that were refused */
	atomic_int nunanswered;  /* requests in a row */
	atomic_uint down;        /* enum peer_fault; 0: up */
	atomic_uint retry_at_s;  /* monotonic: when one down for PEER_FAULT_ANSWER may be tried */
	atomic_uint patience_s;  /* how long that was from the last try on */
	atomic_llong since_us;   /* monotonic: the last change of up and down; 0: none yet */
	atomic_llong revived_ms; /* monotonic: the last time it came up; 0: never was down */
	atomic_uint nfetches;
	atomic_uint weight;      /* what the operator said; 0: nothing, the configuration's counts */
	atomic_bool is_drained;  /* by the operator: no new requests */
	atomic_bool is_listed;   /* bobtailctl health says when it is down */
	struct health_note note_;
	atomic_ullong bytes_in, bytes_out; /* of fetches, with heads */
	atomic_uint answer_us, answer_at_s; /* peer_note_answer */
	atomic_ullong answer_counts[HISTOGRAM_BINS], answer_sum_us; /* relaxed */
	struct retry_budget budget; /* of retries that would come here */
	struct {
		struct lock lock;
		char reason[PEER_REASON_BYTES]; /* of the last change; a line of text */
		struct list waiting;            /* peer_queue.h */
	} shared;
};

struct peer_table *peer_table_create(void);
void peer_table_destroy(struct peer_table *table);

/* The state of that name, made when there is none. */
struct peer_state *peer_table_get(struct peer_table *table, struct str name);

/* A number that changes when a weight did or a peer came back: who counts turns begins anew. */
unsigned peer_table_changes(const struct peer_table *table);

/* Copies the reason of the last change; returns out. */
char *peer_state_reason(struct peer_state *state, char out[PEER_REASON_BYTES]);

/* A connect succeeded, or failed for the limit-th time in a row. Says DEAD and REVIVED in the
 * log. */
void peer_state_succeeded(struct peer_state *state, int64_t now_ms);
void peer_state_failed(struct peer_state *state, unsigned limit, const char *why, bool was_refused);

/* A request was answered, in so many microseconds; or not at all (a timeout, an early close), for
 * the limit-th time in a row. */
void peer_state_answered(struct peer_state *state, int64_t took_us, int64_t now_ms);
void peer_state_unanswered(struct peer_state *state, unsigned limit, const char *why,
			   int64_t now_ms);

/* A connect succeeded that was no request's, to a peer that is not checked. */
void peer_state_reached(struct peer_state *state, int64_t now_ms);
/* Or was refused, by all of its addresses. */
void peer_state_refused(struct peer_state *state);

/* Checks failed (why), or succeeded (NULL) and all that was held against it is forgotten. */
void peer_state_checked(struct peer_state *state, const char *why, int64_t now_ms);

bool peer_state_is_up(const struct peer_state *state);

/* Of a peer that is down for not answering alone: may this request try whether it answers again? A
 * single one each second, then each two, four ... 30 while it does not. */
bool peer_state_may_try(struct peer_state *state, int64_t now_ms);

/* Whether bobtailctl health is to say when it is down, from now on. The home loop's. */
void peer_state_list(struct peer_state *state, bool is_listed);

/* What the operator wants. Weight 0: as configured; PEER_MAX_WEIGHT at most. */
enum { PEER_MAX_WEIGHT = 1000000 };
void peer_state_drain(struct peer_state *state, bool is_drained);
void peer_state_set_weight(struct peer_state *state, unsigned weight);

/* How long answers took since the start, adding up. */
void peer_state_times(const struct peer_state *state, struct timings *out);

/* How long an answer takes now: the slowest of late, halved every 7 seconds since; 0: not known. */
uint64_t peer_state_answer_us(const struct peer_state *state, int64_t now_ms);

#endif

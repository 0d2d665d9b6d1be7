/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/external_acl.h: what a helper said about a question of an external ACL, asked and
 * remembered. Squid: external_acl_type.
 *     ask:    the values of the format, apart by blanks
 *     answer: OK (match) | ERR (no match), with user= password= tag= log= message= and others;
 *             whatever else (BH, none in time, a helper that died, a full queue) decides nothing
 * OK and ERR are kept for ttl and negative_ttl under the whole question; the rest is not kept.
 * Equal questions asked together, on any workers, are asked once. In the last part of its time
 * (grace) an answer still serves, while one question renews it. Where no helper answers, an answer
 * that has expired serves for stale_ms more (ours).
 *
 * Threads: all of it is shared by all workers but a query, which belongs to one loop. The table's
 * locks are leaf locks, held for a look-up or an insertion only. */
#ifndef HELPERS_EXTERNAL_ACL_H
#define HELPERS_EXTERNAL_ACL_H
#include <stdatomic.h>

#include "helpers/line.h"
#include "helpers/pool.h"

enum {
	EXTERNAL_ACL_MAX_ASK_BYTES = 65536, /* of a question */
	/* of all questions and answers that one table keeps, beside the number of entries */
	EXTERNAL_ACL_TABLE_BYTES = 64 << 20,
};

struct external_acl_tables; /* the answers to the helpers of all configurations; opaque, counted */
struct external_acl;        /* one configured helper; opaque, counted */

/* They outlive configurations: a reload asks nobody again whose line is the same. */
struct external_acl_tables *external_acl_tables_create(void);
void external_acl_tables_destroy(struct external_acl_tables *tables); /* accepts NULL */

struct external_acl_config {
	struct helper_pool *pool; /* gets a reference of its own */
	struct external_acl_tables *tables; /* must outlive it */
	/* Whatever an answer depends on besides the question: name, program and format. What has
	 * the same identity and max_entries finds the same answers. */
	struct str identity;
	const char *name;     /* for messages; copied */
	unsigned max_entries; /* 0: nothing is kept, and equal questions are not joined */
	int64_t ttl_ms, negative_ttl_ms;
	unsigned grace_percent; /* of the ttl */
	int64_t stale_ms;
};

struct external_acl *external_acl_create(const struct external_acl_config *config);
struct external_acl *external_acl_ref(struct external_acl *acl);
void external_acl_unref(struct external_acl *acl); /* accepts NULL */

/* How many answers are kept. Any thread. */
size_t external_acl_count(const struct external_acl *acl);

/* What the helper said; immutable, counted, shared by all requests with that question. */
struct external_acl_answer {
	atomic_uint nrefs_;
	bool is_match;
	unsigned npairs;
	size_t bytes_;
	struct helper_pair pairs[]; /* in order of arrival */
};
struct external_acl_answer *external_acl_answer_ref(struct external_acl_answer *answer);
void external_acl_answer_unref(struct external_acl_answer *answer); /* accepts NULL */
/* The first value of key; at is NULL when there is none. */
struct str external_acl_answer_value(const struct external_acl_answer *answer, struct str key);

enum external_acl_verdict {
	EXTERNAL_ACL_MATCH,
	EXTERNAL_ACL_MISMATCH,
	EXTERNAL_ACL_UNDECIDED,
	EXTERNAL_ACL_PENDING,
};

/* Embedded by who asks. Zeroed means: nothing asked. */
struct external_acl_query {
	struct loop *loop;                              /* set by the caller: its own */
	void (*done)(struct external_acl_query *query); /* from the loop, after PENDING only */
	enum external_acl_verdict verdict;
	struct external_acl_answer *answer; /* until _fini or the next ask; NULL: none came */
	struct external_acl_wait *wait_;
};

/* What is known without asking: true, with *answer a reference that the caller drops. In the time
 * of grace it starts a question in the background. loop: the caller's, for its clock. */
bool external_acl_known(struct external_acl *acl, struct str question, struct loop *loop,
			enum external_acl_verdict *verdict, struct external_acl_answer **answer);

/* Asks, or joins those that have. A question with CR, LF or NUL in it, or one too long, is
 * undecided at once. query->verdict is what it returns. */
enum external_acl_verdict external_acl_ask(struct external_acl *acl, struct str question,
					   struct external_acl_query *query);

/* done will not be called; fine when nothing is asked. */
void external_acl_query_cancel(struct external_acl_query *query);
/* Cancels and drops the answer. */
void external_acl_query_fini(struct external_acl_query *query);

#endif

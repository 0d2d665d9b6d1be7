/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_tap.h: looks on while a helper is asked, and says which answer belongs to
 * which question. It gets copies of the bytes in pieces as they happen to come, and delays nothing.
 * What it cannot make sense of (an answer to nothing, a line too long) is passed over. Threads: one
 * for questions and one for answers; a lock of its own lies between them. */
#ifndef PROXY_CTL_HELPER_TAP_H
#define PROXY_CTL_HELPER_TAP_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"

enum {
	TAP_MAX_LINE_BYTES = 1 << 20, /* as the pool has it */
	TAP_MAX_OPEN = 4096, /* questions without an answer; the oldest is forgotten then */
	TAP_MAX_OPEN_BYTES = 16 << 20, /* and of all of them */
};

/* A question with its answer; spans are valid during the call. */
struct tap_pair {
	struct str question, answer; /* without id and LF */
	bool has_answer;             /* false: the helper ended first */
	int64_t asked_us;            /* since 1970 */
	int64_t latency_us;          /* -1 without an answer */
};

struct tap {
	bool has_ids;
	void (*take)(void *user, const struct tap_pair *pair); /* from the thread of answers */
	void *user;
	struct tap_side {
		struct buf line; /* begun */
		bool is_lost;    /* longer than it may be: up to its LF it is passed over */
	} questions, answers;
	struct lock lock;
	struct list open;         /* guarded: questions in order */
	size_t nopen, open_bytes; /* guarded */
};

void tap_init(struct tap *tap, bool has_ids, void (*take)(void *user, const struct tap_pair *pair),
              void *user);
void tap_fini(struct tap *tap);

/* What went to the helper; before it gets it, so that no answer comes earlier. now_us:
 * clock_mono_us(). */
void tap_questions(struct tap *tap, struct str bytes, int64_t now_us);
/* What it printed, and when that was read. */
void tap_answers(struct tap *tap, struct str bytes, int64_t now_us);
/* It has ended: each open question is taken without an answer. From the thread of answers. */
void tap_end(struct tap *tap);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_exam.h: an examination of a helper: a process at a time, questions to it,
 * and what was wrong. helper_checks.c has what is examined, helper_test.c the report. Threads: one.
 */
#ifndef PROXY_CTL_HELPER_EXAM_H
#define PROXY_CTL_HELPER_EXAM_H
#include "proxy/ctl/helper/helper_candidate.h"
#include "proxy/ctl/helper/helper_kind.h"

enum { EXAM_MAX_REASONS = 64 };

struct exam {
	const struct helper_kind *kind;
	unsigned concurrency; /* 0: no channel ids */
	int64_t timeout_ms;   /* for an answer */
	const char *const *argv;
	const char *log_path; /* of a log daemon: its argument */
	const char *const *questions; /* NULL-terminated: the user's own, or the kind's samples */

	struct candidate candidate;
	bool is_running; /* there is one */
	uint64_t last_id;
	struct buf notes; /* what all of them wrote to stderr, cut */
	uint64_t nnote_bytes;

	const char *check; /* the one under way */
	bool has_complaint;
	bool is_lenient; /* what is wrong counts as odd */
	unsigned nwrong, nodd;
	struct {
		uint64_t hash;     /* of a reason that was given */
		const char *check; /* the last one that it was given in */
	} reasons[EXAM_MAX_REASONS];
	unsigned nreasons;
	bool is_over; /* it makes no sense to go on */
};

/* What a check finds. Wrong: the proxy would not take it. Odd: it works, but has its price. Lines:
 * what happened, then why it matters (may be NULL). */
void exam_wrong(struct exam *exam, const char *why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void exam_odd(struct exam *exam, const char *why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A fresh process; false: there is none, which has been said. */
bool exam_begin(struct exam *exam);
/* Ends it, if there is one, and keeps what it wrote to stderr. */
void exam_end(struct exam *exam);

/* Bytes as they are; false and a complaint when it does not read them. */
bool exam_send(struct exam *exam, struct str bytes);
/* The line that asks, with id and LF, into line; id 0: the next one. Without concurrency there is
 * none. */
uint64_t exam_question(struct exam *exam, uint64_t id, struct str question, struct buf *line);

/* The next line, with its complaint if none comes. *id and *answer, which lacks the id, are valid
 * until the next call; *id is 0 without concurrency. The line has been judged. */
bool exam_answer(struct exam *exam, uint64_t *id, struct str *answer);

/* Asks and takes the answer; false: there was none, or it belongs to another id. */
bool exam_ask(struct exam *exam, struct str question, struct str *answer);

/* Nothing more may come within ms. */
void exam_expect_silence(struct exam *exam, int64_t ms, const char *when);

/* text for the report, in quotes, what is not printable as \xNN, cut; a static buffer of two. */
const char *exam_shown(struct str text);

/* helper_checks.c: the rows; NULL name behind the last one. */
struct exam_check {
	const char *name, *what; /* what is seen when all is well */
	unsigned talks;          /* 1 << enum helper_talk: the kinds that it is for */
	enum { FOR_ALL, WITH_IDS, WITHOUT_IDS } ids;
	void (*run)(struct exam *exam);
};
const struct exam_check *exam_checks(void);

#endif

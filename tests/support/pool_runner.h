/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/pool_runner.h: asks a helper pool some questions on a loop of its own and collects
 * the answers. One thread: the loop is the caller's while a runner_* call runs. */
#ifndef SUPPORT_POOL_RUNNER_H
#define SUPPORT_POOL_RUNNER_H
#include "helpers/pool.h"

enum { RUNNER_MAX = 64 };

struct runner_question {
	struct helper_request request;
	struct runner *runner;
	unsigned place; /* which one to be answered: 1, 2 ...; 0: not yet */
};

struct runner {
	struct loop *loop;
	struct helper_pool *pool;
	struct helper_pool_config config;
	struct runner_question questions[RUNNER_MAX];
	unsigned nasked, ndone, nawaited;
	bool is_gone, is_late;
	void (*step)(struct runner *runner); /* on the loop's thread */
	struct timer deadline;
};

/* argv: program and arguments, NULL-terminated. The pool's config has one child at most, started on
 * demand, a time-out of 10 s and a grace of 100 ms; change runner->config, then runner_start. */
void runner_init(struct runner *runner, const char *const *argv);
void runner_start(struct runner *runner);

/* Asks without waiting. */
void runner_ask(struct runner *runner, const char *text);
/* Runs the loop until all that was asked is answered; fails the test after 20 s. */
void runner_wait(struct runner *runner);
/* Runs the loop that long. */
void runner_idle(struct runner *runner, int64_t ms);
/* Calls step on the loop's thread, from the loop. */
void runner_do(struct runner *runner, void (*step)(struct runner *runner));

const struct helper_reply *runner_reply(const struct runner *runner, unsigned question);
/* Fails the test unless that question's answer has this code and (if not NULL) this rest. */
void runner_expect(const struct runner *runner, unsigned question, enum helper_code code,
                   const char *rest);

/* Drops the pool, waits until its children are gone, frees all. */
void runner_fini(struct runner *runner);

#endif

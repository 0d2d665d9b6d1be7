/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/retry_budget.h: how many requests that already had one origin at work may be sent to
 * another one: a fifth of those that it got in the last ten seconds, and ten a second. So origins
 * that fail slowly are not asked for more than they had to do anyway.
 *
 * Threads: any, without a lock; at the change of a second a few may be counted wrong. Zeroed memory
 * is a budget. */
#ifndef PROXY_RETRY_BUDGET_H
#define PROXY_RETRY_BUDGET_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	RETRY_SECONDS = 10,  /* what is looked back at */
	RETRY_A_SECOND = 10, /* always */
	RETRY_PERCENT = 20,  /* of the requests */
};

struct retry_budget {
	struct {
		atomic_uint second, nrequests, nretries;
	} of_[RETRY_SECONDS];
};

/* A request came that is no retry. */
void retry_budget_note(struct retry_budget *budget, int64_t now_ms);

/* May there be a retry? Counts it if so. */
bool retry_budget_take(struct retry_budget *budget, int64_t now_ms);

#endif

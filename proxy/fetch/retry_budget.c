/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/retry_budget.h"

/* The counts of this second, begun anew if they are those of an earlier one. */
static unsigned slot_of(struct retry_budget *budget, unsigned now_s)
{
	unsigned i = now_s % RETRY_SECONDS;
	unsigned was = atomic_load_explicit(&budget->of_[i].second, memory_order_relaxed);

	if (was != now_s && atomic_compare_exchange_strong_explicit(
				    &budget->of_[i].second, &was, now_s, memory_order_relaxed,
				    memory_order_relaxed)) {
		atomic_store_explicit(&budget->of_[i].nrequests, 0, memory_order_relaxed);
		atomic_store_explicit(&budget->of_[i].nretries, 0, memory_order_relaxed);
	}
	return i;
}

void retry_budget_note(struct retry_budget *budget, int64_t now_ms)
{
	unsigned i = slot_of(budget, (unsigned)(now_ms / 1000));

	atomic_fetch_add_explicit(&budget->of_[i].nrequests, 1, memory_order_relaxed);
}

bool retry_budget_take(struct retry_budget *budget, int64_t now_ms)
{
	unsigned now_s = (unsigned)(now_ms / 1000), this = slot_of(budget, now_s);
	uint64_t nrequests = 0, nretries = 0;

	for (unsigned i = 0; i < RETRY_SECONDS; i++) {
		unsigned at_s = atomic_load_explicit(&budget->of_[i].second, memory_order_relaxed);

		if (now_s - at_s >= RETRY_SECONDS)
			continue;
		nrequests += atomic_load_explicit(&budget->of_[i].nrequests, memory_order_relaxed);
		nretries += atomic_load_explicit(&budget->of_[i].nretries, memory_order_relaxed);
	}
	if (nretries >= RETRY_SECONDS * RETRY_A_SECOND + nrequests * RETRY_PERCENT / 100)
		return false;
	atomic_fetch_add_explicit(&budget->of_[this].nretries, 1, memory_order_relaxed);
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_table.h"

#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/base/log.h"

enum { DEAD_RETRY_S = 1 };

struct peer_table {
	struct {
		struct lock lock;
		struct peer_state *first;
	} shared;
};

struct peer_table *peer_table_create(void)
{
	struct peer_table *table = mem_zalloc(sizeof(*table));

	lock_init(&table->shared.lock);
	return table;
}

void peer_table_destroy(struct peer_table *table)
{
	if (!table)
		return;
	while (table->shared.first) {
		struct peer_state *state = table->shared.first;

		table->shared.first = state->next_;
		mem_free(state->name);
		mem_free(state);
	}
	lock_fini(&table->shared.lock);
	mem_free(table);
}

struct peer_state *peer_table_get(struct peer_table *table, struct str name)
{
	struct peer_state *fresh = mem_zalloc(sizeof(*fresh)), *state;

	fresh->name = str_dup(name);
	lock_take(&table->shared.lock);
	for (state = table->shared.first; state; state = state->next_)
		if (str_eq_nocase(str_of(state->name), name))
			break;
	if (!state) {
		state = fresh;
		state->next_ = table->shared.first;
		table->shared.first = state;
		fresh = NULL;
	}
	lock_drop(&table->shared.lock);
	if (fresh) {
		mem_free(fresh->name);
		mem_free(fresh);
	}
	return state;
}

void peer_state_succeeded(struct peer_state *state)
{
	if (atomic_load_explicit(&state->nfails, memory_order_relaxed) == 0)
		return;
	atomic_store_explicit(&state->nfails, 0, memory_order_relaxed);
	if (atomic_exchange_explicit(&state->is_dead, false, memory_order_relaxed))
		log_say(1, "Detected REVIVED Parent: %s", state->name);
}

void peer_state_failed(struct peer_state *state, unsigned limit, int64_t now_ms)
{
	int nfails = atomic_fetch_add_explicit(&state->nfails, 1, memory_order_relaxed) + 1;

	atomic_store_explicit(&state->retry_at_s, (unsigned)(now_ms / 1000) + DEAD_RETRY_S,
			      memory_order_relaxed);
	if (nfails >= (int)limit &&
	    !atomic_exchange_explicit(&state->is_dead, true, memory_order_relaxed))
		log_say(1, "Detected DEAD Parent: %s", state->name);
}

bool peer_state_may_try(struct peer_state *state, int64_t now_ms)
{
	unsigned now_s = (unsigned)(now_ms / 1000), at;

	if (!atomic_load_explicit(&state->is_dead, memory_order_relaxed))
		return true;
	at = atomic_load_explicit(&state->retry_at_s, memory_order_relaxed);
	return now_s >= at &&
	       atomic_compare_exchange_strong_explicit(&state->retry_at_s, &at,
						       now_s + DEAD_RETRY_S, memory_order_relaxed,
						       memory_order_relaxed);
}

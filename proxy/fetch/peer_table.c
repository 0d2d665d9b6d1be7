/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_table.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	FIRST_PATIENCE_S = 1,
	MAX_PATIENCE_S = 30,
	HALVED_S = 7, /* an answer's time counts half after that: e^-1 after 10 s */
	SAMPLE_SHIFT = 3, /* a faster answer counts for an eighth */
};

struct peer_table {
	atomic_uint changes;
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

static void state_destroy(struct peer_state *state)
{
	health_good(&state->note_);
	lock_fini(&state->shared.lock);
	mem_free(state->name);
	mem_free(state);
}

void peer_table_destroy(struct peer_table *table)
{
	if (!table)
		return;
	while (table->shared.first) {
		struct peer_state *state = table->shared.first;

		table->shared.first = state->next_;
		state_destroy(state);
	}
	lock_fini(&table->shared.lock);
	mem_free(table);
}

static struct peer_state *state_create(struct peer_table *table, struct str name)
{
	struct peer_state *state = mem_zalloc(sizeof(*state));

	state->table_ = table;
	state->name = str_dup(name);
	lock_init(&state->shared.lock);
	list_init(&state->shared.waiting);
	return state;
}

struct peer_state *peer_table_get(struct peer_table *table, struct str name)
{
	struct peer_state *fresh = state_create(table, name), *state;

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
	if (fresh)
		state_destroy(fresh);
	return state;
}

unsigned peer_table_changes(const struct peer_table *table)
{
	return atomic_load_explicit(&table->changes, memory_order_relaxed);
}

static void note_change(struct peer_state *state)
{
	atomic_fetch_add_explicit(&state->table_->changes, 1, memory_order_relaxed);
}

/* ---- up and down */

char *peer_state_reason(struct peer_state *state, char out[PEER_REASON_BYTES])
{
	lock_take(&state->shared.lock);
	memcpy(out, state->shared.reason, PEER_REASON_BYTES);
	lock_drop(&state->shared.lock);
	return out;
}

static void set_reason(struct peer_state *state, const char *why)
{
	char text[PEER_REASON_BYTES] = "";

	str_copy(str_of(why), text, sizeof(text));
	lock_take(&state->shared.lock);
	memcpy(state->shared.reason, text, sizeof(text));
	lock_drop(&state->shared.lock);
	atomic_store_explicit(&state->since_us, clock_mono_us(), memory_order_relaxed);
}

static bool is_bad(const struct peer_state *state)
{
	return atomic_load(&state->is_listed) && atomic_load(&state->down) != 0;
}

/* Whoever changes something says what holds then. Of two at a time the one that is last sees what
 * the other changed, all of it being sequentially consistent, and says so once more. */
static void note_health(struct peer_state *state)
{
	char what[HEALTH_WHAT_BYTES], why[PEER_REASON_BYTES];
	bool said;

	do {
		said = is_bad(state);
		snprintf(what, sizeof(what), "cache_peer %s", state->name);
		if (said)
			health_bad(&state->note_, what, "%s", peer_state_reason(state, why));
		else
			health_good(&state->note_);
	} while (is_bad(state) != said);
}

void peer_state_list(struct peer_state *state, bool is_listed)
{
	if (atomic_exchange(&state->is_listed, is_listed) != is_listed)
		note_health(state);
}

static void go_down(struct peer_state *state, enum peer_fault fault, const char *why)
{
	unsigned was = atomic_fetch_or(&state->down, fault);

	if (was != 0)
		return;
	set_reason(state, why);
	note_health(state);
	log_say(1, "Detected DEAD Parent: %s", state->name);
	log_say(1, "cache_peer %s is down and gets no requests: %s", state->name, why);
}

static void come_up(struct peer_state *state, unsigned faults, const char *why, int64_t now_ms)
{
	unsigned was = atomic_fetch_and(&state->down, ~faults);

	if (was == 0 || (was & ~faults) != 0)
		return;
	set_reason(state, why);
	note_health(state);
	atomic_store_explicit(&state->revived_ms, now_ms, memory_order_relaxed);
	note_change(state);
	log_say(1, "Detected REVIVED Parent: %s", state->name);
	log_say(1, "cache_peer %s is up again: %s", state->name, why);
}

bool peer_state_is_up(const struct peer_state *state)
{
	return atomic_load_explicit(&state->down, memory_order_relaxed) == 0;
}

static bool is_down_for(const struct peer_state *state, unsigned faults)
{
	return atomic_load_explicit(&state->down, memory_order_relaxed) & faults;
}

/* Counts one more; true when that makes limit or more. */
static bool has_reached(atomic_int *count, unsigned limit)
{
	return atomic_fetch_add_explicit(count, 1, memory_order_relaxed) + 1 >= (int)limit;
}

static void forget(atomic_int *count)
{
	if (atomic_load_explicit(count, memory_order_relaxed) != 0)
		atomic_store_explicit(count, 0, memory_order_relaxed);
}

void peer_state_succeeded(struct peer_state *state, int64_t now_ms)
{
	forget(&state->nfails);
	forget(&state->nrefused);
	if (is_down_for(state, PEER_FAULTS_OF_CONNECTS))
		come_up(state, PEER_FAULTS_OF_CONNECTS, "it takes connections", now_ms);
}

void peer_state_reached(struct peer_state *state, int64_t now_ms)
{
	forget(&state->nfails);
	forget(&state->nrefused);
	if (is_down_for(state, PEER_FAULTS_OF_CONNECTS | PEER_FAULT_CHECK))
		come_up(state, PEER_FAULTS_OF_CONNECTS | PEER_FAULT_CHECK, "it takes connections",
		        now_ms);
}

/* It is down for the other reason from now on; in between for both. */
static void turn_fault(struct peer_state *state, enum peer_fault from, enum peer_fault to)
{
	if (!is_down_for(state, from))
		return;
	atomic_fetch_or(&state->down, to);
	atomic_fetch_and(&state->down, ~(unsigned)from);
}

void peer_state_refused(struct peer_state *state)
{
	turn_fault(state, PEER_FAULT_CONNECT, PEER_FAULT_REFUSED);
}

void peer_state_failed(struct peer_state *state, unsigned limit, const char *why, bool was_refused)
{
	char text[PEER_REASON_BYTES];
	bool is_refusing = was_refused && has_reached(&state->nrefused, limit);

	if (!was_refused) {
		forget(&state->nrefused);
		turn_fault(state, PEER_FAULT_REFUSED, PEER_FAULT_CONNECT);
	}
	if (!has_reached(&state->nfails, limit) || is_down_for(state, PEER_FAULTS_OF_CONNECTS))
		return;
	snprintf(text, sizeof(text), "%u connects in a row failed: %s", limit, why);
	go_down(state, is_refusing ? PEER_FAULT_REFUSED : PEER_FAULT_CONNECT, text);
}

void peer_state_unanswered(struct peer_state *state, unsigned limit, const char *why,
			   int64_t now_ms)
{
	unsigned patience_s = atomic_load_explicit(&state->patience_s, memory_order_relaxed);
	char text[PEER_REASON_BYTES];

	if (!has_reached(&state->nunanswered, limit))
		return;
	if (!is_down_for(state, PEER_FAULT_ANSWER)) {
		atomic_store_explicit(&state->patience_s, FIRST_PATIENCE_S, memory_order_relaxed);
		atomic_store_explicit(&state->retry_at_s,
				      (unsigned)(now_ms / 1000) + FIRST_PATIENCE_S,
				      memory_order_relaxed);
		snprintf(text, sizeof(text), "%u requests in a row had no answer: %s", limit, why);
		go_down(state, PEER_FAULT_ANSWER, text);
		return;
	}
	if (now_ms / 1000 < atomic_load_explicit(&state->retry_at_s, memory_order_relaxed))
		return; /* one of those that were under way */
	patience_s = patience_s * 2 < MAX_PATIENCE_S ? patience_s * 2 : MAX_PATIENCE_S;
	atomic_store_explicit(&state->patience_s, patience_s, memory_order_relaxed);
}

void peer_state_checked(struct peer_state *state, const char *why, int64_t now_ms)
{
	if (why) {
		go_down(state, PEER_FAULT_CHECK, why);
		return;
	}
	forget(&state->nfails);
	forget(&state->nrefused);
	forget(&state->nunanswered);
	if (!peer_state_is_up(state))
		come_up(state, PEER_FAULTS_OF_CONNECTS | PEER_FAULT_CHECK | PEER_FAULT_ANSWER,
			"its checks succeed", now_ms);
}

bool peer_state_may_try(struct peer_state *state, int64_t now_ms)
{
	unsigned now_s = (unsigned)(now_ms / 1000), at;
	unsigned patience_s = atomic_load_explicit(&state->patience_s, memory_order_relaxed);

	if (atomic_load_explicit(&state->down, memory_order_relaxed) != PEER_FAULT_ANSWER)
		return false;
	at = atomic_load_explicit(&state->retry_at_s, memory_order_relaxed);
	return now_s >= at && atomic_compare_exchange_strong_explicit(
				      &state->retry_at_s, &at, now_s + patience_s,
				      memory_order_relaxed, memory_order_relaxed);
}

/* ---- what the operator wants */

void peer_state_drain(struct peer_state *state, bool is_drained)
{
	if (atomic_exchange_explicit(&state->is_drained, is_drained, memory_order_relaxed) ==
	    is_drained)
		return;
	note_change(state);
	log_say(1, "cache_peer %s %s", state->name,
		is_drained ? "is drained: it gets no new requests" : "gets requests again");
}

void peer_state_set_weight(struct peer_state *state, unsigned weight)
{
	atomic_store_explicit(&state->weight, weight, memory_order_relaxed);
	note_change(state);
}

/* ---- how fast it answers */

uint64_t peer_state_answer_us(const struct peer_state *state, int64_t now_ms)
{
	uint64_t us = atomic_load_explicit(&state->answer_us, memory_order_relaxed);
	unsigned at_s = atomic_load_explicit(&state->answer_at_s, memory_order_relaxed);
	unsigned age_s = (unsigned)(now_ms / 1000) - at_s;
	unsigned halves = age_s / HALVED_S;

	if (halves > 31)
		return us > 0;
	us >>= halves;
	return us - us * (age_s % HALVED_S) / (2 * HALVED_S);
}

void peer_state_times(const struct peer_state *state, struct timings *out)
{
	out->sum_us = atomic_load_explicit(&state->answer_sum_us, memory_order_relaxed);
	for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
		out->times.counts[i] =
			atomic_load_explicit(&state->answer_counts[i], memory_order_relaxed);
}

/* A slower answer counts at once, a faster one bit by bit: a peak is not overlooked, and forgotten
 * with time. Two that write at once lose one sample. */
static void note_answer(struct peer_state *state, uint64_t us, int64_t now_ms)
{
	uint64_t now_us = peer_state_answer_us(state, now_ms);

	atomic_fetch_add_explicit(&state->answer_counts[histogram_bin(us)], 1,
	                          memory_order_relaxed);
	atomic_fetch_add_explicit(&state->answer_sum_us, us, memory_order_relaxed);
	if (us == 0)
		us = 1;
	if (now_us > us)
		us = now_us - ((now_us - us) >> SAMPLE_SHIFT);
	atomic_store_explicit(&state->answer_us, us < UINT32_MAX ? (unsigned)us : UINT32_MAX,
			      memory_order_relaxed);
	atomic_store_explicit(&state->answer_at_s, (unsigned)(now_ms / 1000), memory_order_relaxed);
}

void peer_state_answered(struct peer_state *state, int64_t took_us, int64_t now_ms)
{
	note_answer(state, took_us > 0 ? (uint64_t)took_us : 0, now_ms);
	forget(&state->nunanswered);
	if (is_down_for(state, PEER_FAULT_ANSWER))
		come_up(state, PEER_FAULT_ANSWER, "it answers", now_ms);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/overload.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/base/log.h"

/* Descriptors that are kept from clients: an eighth, within these. */
enum { RESERVE_PART = 8, RESERVE_MIN = 16, RESERVE_MAX = 1024 };

static const char *const names[OVERLOAD_KINDS] = {
	[OVERLOAD_DELAY] = "overload: requests wait too long for a worker",
	[OVERLOAD_REQUESTS] = "overload: too many requests are with origins",
	[OVERLOAD_DESCRIPTORS] = "overload: too few file descriptors are left",
	[OVERLOAD_MEMORY] = "overload: too little memory is left",
};

struct state {
	/* Relaxed: nothing else hangs on them. */
	atomic_int_least64_t seen_ms;
	atomic_bool is_on; /* changed under the lock */
	struct {
		int64_t since_ms;
		struct health_note note;
	} shared;
};

struct overload {
	unsigned long max_files, reserve;
	struct lock lock;
	struct state states[OVERLOAD_KINDS];
};

static unsigned long reserve_of(unsigned long max_files)
{
	unsigned long reserve = max_files / RESERVE_PART;

	if (reserve > RESERVE_MAX)
		return RESERVE_MAX;
	return reserve < RESERVE_MIN ? RESERVE_MIN : reserve;
}

struct overload *overload_create(unsigned long max_files)
{
	struct overload *overload = mem_zalloc(sizeof(*overload));

	overload->max_files = max_files;
	overload->reserve = reserve_of(max_files);
	lock_init(&overload->lock);
	return overload;
}

void overload_destroy(struct overload *overload)
{
	if (!overload)
		return;
	for (int kind = 0; kind < OVERLOAD_KINDS; kind++)
		health_good(&overload->states[kind].shared.note);
	lock_fini(&overload->lock);
	mem_free(overload);
}

/* True: it was not so before. */
static bool change(struct overload *overload, struct state *state, bool is_on, int64_t now_ms,
		   int64_t *lasted_ms)
{
	bool was_on;

	lock_take(&overload->lock);
	was_on = atomic_exchange_explicit(&state->is_on, is_on, memory_order_relaxed);
	*lasted_ms = now_ms - state->shared.since_ms;
	if (is_on && !was_on)
		state->shared.since_ms = now_ms;
	lock_drop(&overload->lock);
	return was_on != is_on;
}

void overload_sign(struct overload *overload, enum overload_kind kind, int64_t now_ms,
		   const char *why)
{
	struct state *state = &overload->states[kind];
	int64_t lasted_ms;

	atomic_store_explicit(&state->seen_ms, now_ms, memory_order_relaxed);
	if (overload_is_on(overload, kind) || !change(overload, state, true, now_ms, &lasted_ms))
		return;
	log_say(1, "WARNING: %s (%s); what needs an origin is answered 503", names[kind], why);
	health_bad(&state->shared.note, names[kind], "%s", why);
}

bool overload_is_on(const struct overload *overload, enum overload_kind kind)
{
	return atomic_load_explicit(&overload->states[kind].is_on, memory_order_relaxed);
}

static bool has_calmed(const struct state *state, int64_t now_ms)
{
	return now_ms - atomic_load_explicit(&state->seen_ms, memory_order_relaxed) >=
	       OVERLOAD_CALM_MS;
}

bool overload_look(struct overload *overload, int64_t now_ms)
{
	bool is_any = false;

	for (int kind = 0; kind < OVERLOAD_KINDS; kind++) {
		struct state *state = &overload->states[kind];
		int64_t lasted_ms;

		if (!overload_is_on(overload, (enum overload_kind)kind))
			continue;
		if (!has_calmed(state, now_ms)) {
			is_any = true;
			continue;
		}
		if (!change(overload, state, false, now_ms, &lasted_ms))
			continue;
		health_good(&state->shared.note);
		log_say(1, "over after %" PRId64 " s: %s", lasted_ms / 1000, names[kind]);
	}
	return is_any;
}

enum overload_files overload_files(const struct overload *overload, int fd)
{
	unsigned long used = (unsigned long)fd;

	if (used + overload->reserve < overload->max_files || overload->max_files == 0)
		return OVERLOAD_FILES_PLENTY;
	return used + overload->reserve / 2 < overload->max_files ? OVERLOAD_FILES_FEW
								   : OVERLOAD_FILES_LAST;
}

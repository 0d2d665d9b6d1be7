/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/pool_report.h"

#include <string.h>

#include "helpers/pool_internal.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

const char *helper_breaker_name(enum helper_breaker breaker)
{
	static const char *const names[] = {
		[HELPER_BREAKER_CLOSED] = "closed",
		[HELPER_BREAKER_OPEN] = "open",
		[HELPER_BREAKER_PROBING] = "probing",
	};

	return names[breaker];
}

/* ---- what is remembered */

void pool_note_stderr(struct helper_pool *pool, uint64_t number, struct str text)
{
	struct pool_note *note = &pool->notes[pool->nnotes++ % HELPER_NOTES];

	text = str_first(text, sizeof(note->text));
	*note = (struct pool_note){.number = number, .at_us = clock_mono_us(), .len = text.len};
	memcpy(note->text, text.at, text.len);
}

void pool_note_end(struct helper_pool *pool, const char *why)
{
	str_copy(str_of(why), pool->last_end, sizeof(pool->last_end));
	pool->last_end_us = clock_mono_us();
}

void helper_pool_each_note(const struct helper_pool *pool,
                           void (*show)(void *owner, uint64_t number, int64_t at_us,
                                        struct str text),
                           void *owner)
{
	uint64_t i = pool->nnotes > HELPER_NOTES ? pool->nnotes - HELPER_NOTES : 0;

	check(loop_is_current(pool->home));
	for (; i < pool->nnotes; i++) {
		const struct pool_note *note = &pool->notes[i % HELPER_NOTES];

		show(owner, note->number, note->at_us, (struct str){note->text, note->len});
	}
}

/* ---- views */

void helper_pool_stats(const struct helper_pool *pool, struct helper_pool_stats *out)
{
	check(loop_is_current(pool->home));
	*out = pool->counters;
	out->nrunning = pool->nactive;
	out->nqueued = pool->nqueued;
	out->is_broken = pool_is_broken(pool);
}

void helper_pool_view(const struct helper_pool *pool, struct helper_pool_view *out)
{
	int64_t wait_ms = pool->retry_ms - loop_now_ms(pool->home);

	*out = (struct helper_pool_view){
		.nfailures = pool->nfailures,
		.retry_in_ms = wait_ms > 0 ? wait_ms : 0,
		.last_end = pool->last_end,
		.last_end_us = pool->last_end_us,
	};
	helper_pool_stats(pool, &out->stats);
	if (out->stats.is_broken)
		out->breaker = HELPER_BREAKER_OPEN;
	else if (helper_pool_is_down(pool))
		out->breaker = HELPER_BREAKER_PROBING;
}

void helper_pool_each_child(const struct helper_pool *pool,
			    void (*show)(void *owner, const struct helper_child_view *child),
			    void *owner)
{
	check(loop_is_current(pool->home));
	LIST_EACH(node, &pool->members) {
		const struct member *member = CONTAINER(node, struct member, node);
		struct helper_child_view view = {
			.number = member->number,
			.pid = child_pid(member->child),
			.fd = child_fd(member->child),
			.age_ms = loop_now_ms(pool->home) - member->started_ms,
			.nrequests = member->last_id,
			.nreplies = member->nreplies,
			.ntimeouts = member->ntimeouts,
			.nin_flight = member->nslots,
			.latest_us = member->latest_us,
			.is_kept = member->conversation != 0,
			.is_leaving = member->is_leaving,
			.times = &member->times,
		};

		if (member->nslots > 0)
			view.latest_us = clock_mono_us() -
					 CONTAINER(member->slots.next, struct slot, node)->sent_us;
		show(owner, &view);
	}
}

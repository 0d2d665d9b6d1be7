/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/timer_internal.h"

#include "lib/base/check.h"

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms)
{
	*wheel = (struct timer_wheel){
		.now_ms = now_ms, .next_tick = INT64_MAX, .next_ms = INT64_MAX};
	for (size_t i = 0; i < COUNT(wheel->slots); i++)
		list_init(&wheel->slots[i]);
}

static void set_next(struct timer_wheel *wheel, int64_t tick)
{
	wheel->next_tick = tick;
	wheel->next_ms = tick == INT64_MAX ? INT64_MAX : tick * TIMER_TICK_MS;
}

/* Puts the timer into the first slot that begins at its deadline or later, within the ring. */
static void file(struct timer_wheel *wheel, struct timer *timer)
{
	int64_t now_tick = wheel->now_ms / TIMER_TICK_MS;
	int64_t tick =
		timer->deadline_ms / TIMER_TICK_MS + (timer->deadline_ms % TIMER_TICK_MS != 0);
	size_t slot;

	if (tick <= now_tick)
		tick = now_tick + 1;
	if (tick >= now_tick + TIMER_SLOTS)
		tick = now_tick + TIMER_SLOTS - 1;
	slot = (size_t)(tick % TIMER_SLOTS);
	list_push_back(&wheel->slots[slot], &timer->node_);
	wheel->occupied[slot / 32] |= UINT32_C(1) << slot % 32;
	timer->filed_ms_ = tick * TIMER_TICK_MS;
	if (tick < wheel->next_tick)
		set_next(wheel, tick);
}

void timer_wheel_set(struct timer_wheel *wheel, struct timer *timer, int64_t deadline_ms)
{
	bool is_filed = timer->deadline_ms != 0;

	check(deadline_ms > 0);
	timer->deadline_ms = deadline_ms;
	if (is_filed && deadline_ms >= timer->filed_ms_)
		return;
	if (is_filed)
		list_remove(&timer->node_);
	file(wheel, timer);
}

/* The first tick from this one on whose slot holds a timer; INT64_MAX when there is none. */
static int64_t find_occupied(struct timer_wheel *wheel, int64_t tick)
{
	for (int64_t end = tick + TIMER_SLOTS; tick < end;) {
		size_t slot = (size_t)(tick % TIMER_SLOTS);
		uint32_t *word = &wheel->occupied[slot / 32];
		uint32_t rest = *word >> slot % 32;

		if (rest == 0) {
			tick += 32 - (int64_t)(slot % 32);
			continue;
		}
		tick += __builtin_ctz(rest);
		slot = (size_t)(tick % TIMER_SLOTS);
		if (!list_is_empty(&wheel->slots[slot]))
			return tick;
		*word &= ~(UINT32_C(1) << slot % 32); /* its timers were cancelled */
	}
	return INT64_MAX;
}

/* Moves the timers of all slots up to now to due. */
static void collect(struct timer_wheel *wheel, struct list *due)
{
	int64_t now_tick = wheel->now_ms / TIMER_TICK_MS;
	int64_t tick = wheel->next_tick;

	if (tick <= now_tick - TIMER_SLOTS)
		tick = now_tick - TIMER_SLOTS + 1; /* a long sleep: each slot once */
	for (; tick <= now_tick; tick++) {
		size_t slot = (size_t)(tick % TIMER_SLOTS);

		list_splice(due, &wheel->slots[slot]);
		wheel->occupied[slot / 32] &= ~(UINT32_C(1) << slot % 32);
	}
	set_next(wheel, find_occupied(wheel, now_tick + 1));
}

void timer_wheel_advance(struct timer_wheel *wheel, int64_t now_ms)
{
	struct list due, *node;

	wheel->now_ms = now_ms;
	if (now_ms < wheel->next_ms)
		return;
	list_init(&due);
	collect(wheel, &due);
	while ((node = list_pop_front(&due))) {
		struct timer *timer = CONTAINER(node, struct timer, node_);

		if (timer->deadline_ms > now_ms) {
			file(wheel, timer);
			continue;
		}
		timer->deadline_ms = 0;
		timer->fire(timer);
	}
}

int timer_wheel_wait_ms(const struct timer_wheel *wheel)
{
	if (wheel->next_ms == INT64_MAX)
		return -1;
	/* At most the ring's span away, so it fits an int. */
	return wheel->next_ms > wheel->now_ms ? (int)(wheel->next_ms - wheel->now_ms) : 0;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
	*timer = (struct timer){.fire = fire};
	list_init(&timer->node_);
}

void timer_cancel(struct timer *timer)
{
	if (timer->deadline_ms == 0)
		return;
	list_remove(&timer->node_);
	timer->deadline_ms = 0;
}

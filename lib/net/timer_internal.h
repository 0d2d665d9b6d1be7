/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/timer_internal.h: the wheel behind a loop's timers. It has no clock of its own: it is
 * told the time, so tests need not wait.
 *
 * One ring of slots, a tick each. A timer lies in the slot of its deadline, or in the last one when
 * that is beyond the ring's span; a slot that comes due fires what is due and files the rest again.
 * So a deadline that moves later costs a store, whatever the number of timers. One loop's. */
#ifndef NET_TIMER_INTERNAL_H
#define NET_TIMER_INTERNAL_H
#include "lib/net/loop.h"

enum { TIMER_TICK_MS = 50, TIMER_SLOTS = 1024 };

struct timer_wheel {
	int64_t now_ms;
	int64_t next_tick,
		next_ms; /* no slot before this one holds a timer; INT64_MAX: none does */
	uint32_t occupied[TIMER_SLOTS /
	                  32]; /* a bit a slot; 1 also for one whose timers have gone */
	struct list slots[TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms);
/* Anew, if it is set already. */
void timer_wheel_set(struct timer_wheel *wheel, struct timer *timer, int64_t deadline_ms);

/* It is now_ms: fires what is due. */
void timer_wheel_advance(struct timer_wheel *wheel, int64_t now_ms);

/* How long nothing can become due, in ms; -1: for ever. */
int timer_wheel_wait_ms(const struct timer_wheel *wheel);

#endif

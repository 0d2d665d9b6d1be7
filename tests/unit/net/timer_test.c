/* SPDX-License-Identifier: BSD-2-Clause */
/* The wheel is told the time, so hours pass here at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "lib/net/timer_internal.h"

enum { START_MS = 1000007 };

struct alarm {
	struct timer timer;
	struct timer_wheel *wheel;
	struct alarm *victim; /* cancelled when this one fires */
	int64_t again_ms;     /* set anew when it fires, if not 0 */
	int64_t fired_ms;
	unsigned nfired;
};

static struct timer_wheel wheel;

static void ring(struct timer *timer)
{
	struct alarm *alarm = CONTAINER(timer, struct alarm, timer);

	assert_int_equal(timer->deadline_ms, 0);
	alarm->nfired++;
	alarm->fired_ms = wheel.now_ms;
	if (alarm->victim)
		timer_cancel(&alarm->victim->timer);
	if (alarm->again_ms)
		timer_wheel_set(&wheel, timer, alarm->again_ms);
	alarm->again_ms = 0;
}

static int set_up(void **state)
{
	(void)state;
	timer_wheel_init(&wheel, START_MS);
	return 0;
}

static void set_alarm(struct alarm *alarm, int64_t deadline_ms)
{
	*alarm = (struct alarm){0};
	timer_init(&alarm->timer, ring);
	timer_wheel_set(&wheel, &alarm->timer, deadline_ms);
}

/* As a loop does: sleeps as long as it may, and comes a little late. */
static unsigned run_until(int64_t end_ms)
{
	unsigned nwakes = 0;

	for (;;) {
		int wait_ms = timer_wheel_wait_ms(&wheel);
		int64_t next_ms = wheel.now_ms + wait_ms;

		if (wait_ms < 0 || next_ms > end_ms)
			break;
		timer_wheel_advance(&wheel, next_ms + 1);
		nwakes++;
	}
	timer_wheel_advance(&wheel, end_ms);
	return nwakes;
}

static void a_timer_fires_within_two_ticks_of_its_deadline(void **state)
{
	static const int64_t delays_ms[] = {1,     49,    50,    51,     100,      1000,
	                                    51199, 51200, 51201, 120000, 86400000, 31536000000};
	(void)state;
	for (size_t i = 0; i < COUNT(delays_ms); i++) {
		int64_t deadline_ms = wheel.now_ms + delays_ms[i];
		struct alarm alarm;

		set_alarm(&alarm, deadline_ms);
		run_until(deadline_ms - 1);
		assert_int_equal(alarm.nfired, 0);
		run_until(deadline_ms + 2 * TIMER_TICK_MS);
		assert_int_equal(alarm.nfired, 1);
		assert_true(alarm.fired_ms >= deadline_ms);
	}
}

static void many_timers_all_fire_once_and_in_time(void **state)
{
	enum { N = 5000 };
	struct alarm *alarms = calloc(N, sizeof(*alarms));
	int64_t *deadlines = calloc(N, sizeof(*deadlines));

	(void)state;
	assert_non_null(alarms);
	assert_non_null(deadlines);
	for (int i = 0; i < N; i++) {
		deadlines[i] = START_MS + 1 + (int64_t)i * i % 200003;
		set_alarm(&alarms[i], deadlines[i]);
	}
	run_until(START_MS + 300000);
	for (int i = 0; i < N; i++) {
		assert_int_equal(alarms[i].nfired, 1);
		assert_in_range(alarms[i].fired_ms, deadlines[i], deadlines[i] + 2 * TIMER_TICK_MS);
	}
	assert_int_equal(timer_wheel_wait_ms(&wheel), -1);
	free(deadlines);
	free(alarms);
}

static void a_deadline_may_move_either_way(void **state)
{
	struct alarm alarm;

	(void)state;
	set_alarm(&alarm, START_MS + 1000);
	timer_wheel_set(&wheel, &alarm.timer, START_MS + 5000);
	run_until(START_MS + 4999);
	assert_int_equal(alarm.nfired, 0);
	timer_wheel_set(&wheel, &alarm.timer, START_MS + 9000);
	timer_wheel_set(&wheel, &alarm.timer, START_MS + 5100);
	run_until(START_MS + 5200);
	assert_int_equal(alarm.nfired, 1);
}

/* A store, as a request that follows another on one connection makes it. */
static void moving_a_deadline_later_does_not_file_again(void **state)
{
	struct alarm alarm;
	const struct list *neighbour;

	(void)state;
	set_alarm(&alarm, START_MS + 1000);
	neighbour = alarm.timer.node_.next;
	for (int i = 1; i < 100; i++)
		timer_wheel_set(&wheel, &alarm.timer, START_MS + 1000 + i * 1000);
	assert_ptr_equal(alarm.timer.node_.next, neighbour);
	assert_in_range(timer_wheel_wait_ms(&wheel), 950, 1050);
	timer_cancel(&alarm.timer);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
	struct alarm alarm, first, second;
	struct timer zeroed = {0};

	(void)state;
	timer_cancel(&zeroed);
	set_alarm(&alarm, START_MS + 100);
	timer_cancel(&alarm.timer);
	timer_cancel(&alarm.timer);
	/* Two of one slot, each of which cancels the other. */
	set_alarm(&first, START_MS + 200);
	set_alarm(&second, START_MS + 200);
	first.victim = &second;
	second.victim = &first;
	run_until(START_MS + 1000);
	assert_int_equal(alarm.nfired, 0);
	assert_int_equal(first.nfired + second.nfired, 1);
}

static void a_timer_that_is_set_as_it_fires_fires_later(void **state)
{
	struct alarm alarm;

	(void)state;
	set_alarm(&alarm, START_MS + 100);
	alarm.again_ms = START_MS; /* past: the next tick */
	timer_wheel_advance(&wheel, START_MS + 200);
	assert_int_equal(alarm.nfired, 1);
	timer_wheel_advance(&wheel, START_MS + 200 + TIMER_TICK_MS);
	assert_int_equal(alarm.nfired, 2);
}

static void the_wait_lasts_until_something_can_be_due(void **state)
{
	struct alarm near, far;

	(void)state;
	assert_int_equal(timer_wheel_wait_ms(&wheel), -1);
	set_alarm(&far, START_MS + 120000);
	assert_true(run_until(START_MS + 119000) <= 3);
	set_alarm(&near, START_MS + 119500);
	assert_in_range(timer_wheel_wait_ms(&wheel), 500, 500 + TIMER_TICK_MS);
	timer_cancel(&near.timer);
	timer_cancel(&far.timer);
	/* One wake for nothing, and then none. */
	assert_true(run_until(START_MS + 500000) <= 1);
	assert_int_equal(timer_wheel_wait_ms(&wheel), -1);
}

static void a_sleep_longer_than_the_ring_loses_nothing(void **state)
{
	struct alarm early, late, beyond;

	(void)state;
	set_alarm(&early, START_MS + 1000);
	set_alarm(&late, START_MS + 50000);
	set_alarm(&beyond, START_MS + 10000000);
	timer_wheel_advance(&wheel, START_MS + 9000000);
	assert_int_equal(early.nfired, 1);
	assert_int_equal(late.nfired, 1);
	run_until(START_MS + 10000100);
	assert_int_equal(beyond.nfired, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_timer_fires_within_two_ticks_of_its_deadline, set_up),
		cmocka_unit_test_setup(many_timers_all_fire_once_and_in_time, set_up),
		cmocka_unit_test_setup(a_deadline_may_move_either_way, set_up),
		cmocka_unit_test_setup(moving_a_deadline_later_does_not_file_again, set_up),
		cmocka_unit_test_setup(a_cancelled_timer_does_not_fire, set_up),
		cmocka_unit_test_setup(a_timer_that_is_set_as_it_fires_fires_later, set_up),
		cmocka_unit_test_setup(the_wait_lasts_until_something_can_be_due, set_up),
		cmocka_unit_test_setup(a_sleep_longer_than_the_ring_loses_nothing, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

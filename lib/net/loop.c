/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/net/mailbox_internal.h"
#include "lib/net/timer_internal.h"

enum {
	BATCH = 128,
	MAIL_ROUNDS = 3, /* in a turn, behind its events */
	DELAY_WINDOW_MS = 500,
	SLEEP_MS = 16, /* what comes later than this was waited for: the coarse clock ticks every 10 ms at least */
};

/* How late the loop is. What it finds may have been ready since it last had found all there was:
 * all at once, or, while there is always more than a batch, all that stood before the bell. */
struct delay {
	int64_t caught_up_ms;
	int64_t rung_ms;             /* when the bell got behind all that was ready; 0: it has not */
	int64_t window_ms;           /* when the present window began */
	int64_t least_ms, before_ms; /* in that, and in the one before */
};

/* One thread's, but for owner, is_stopping and mailbox. */
struct loop {
	int epoll;
	/* The batch at hand. An event of a descriptor that is no longer watched has its pointer
	 * cleared. */
	int nevents, event;
	struct loop_counts counts;
	struct epoll_event events[BATCH];
	struct loop_fd bell; /* the mailbox's */
	struct list tasks;
	struct loop_task *hurried; /* NULL: none. Perhaps not queued any more, or gone */
	int64_t wall_us, mono_us;
	char *read_buffer;
	size_t read_bytes;
	char *scratch; /* NULL: nobody has asked for it yet */
	_Atomic(pthread_t) owner;
	atomic_bool is_stopping;
	struct mailbox mailbox;
	struct timer_wheel timers; /* its now_ms is the loop's */
	struct delay delay;
};

/* Somebody has posted mail, which every turn delivers; or the loop itself asks how long it takes to
 * get there (note_delay). */
static void heard_bell(struct loop_fd *bell, uint32_t events)
{
	struct delay *delay = &CONTAINER(bell, struct loop, bell)->delay;

	(void)events;
	if (delay->rung_ms > delay->caught_up_ms)
		delay->caught_up_ms = delay->rung_ms;
	delay->rung_ms = 0;
}

static void read_clocks(struct loop *loop)
{
	loop->mono_us = clock_mono_us();
	loop->timers.now_ms = loop->mono_us / 1000;
	loop->wall_us = clock_wall_us();
}

static bool control(struct loop *loop, struct loop_fd *watch, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->epoll, operation, watch->fd, &event) < 0)
		return false;
	watch->is_watched_ = true;
	return true;
}

static bool watch_bell(struct loop *loop)
{
	loop->bell = (struct loop_fd){.fd = loop->mailbox.bell, .ready = heard_bell};
	return control(loop, &loop->bell, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);
}

struct loop *loop_create(size_t read_bytes, struct err_text *why)
{
	struct loop *loop = mem_zalloc(sizeof(*loop));

	timer_wheel_init(&loop->timers, 0);
	read_clocks(loop);
	loop->delay.caught_up_ms = loop->timers.now_ms;
	list_init(&loop->tasks);
	atomic_init(&loop->owner, pthread_self());
	atomic_init(&loop->is_stopping, false);
	loop->mailbox.bell = -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || !mailbox_init(&loop->mailbox) || !watch_bell(loop)) {
		err_say(why, "cannot create an event loop: %s", strerror(errno));
		loop_destroy(loop);
		return NULL;
	}
	loop->read_buffer = mem_alloc(read_bytes);
	loop->read_bytes = read_bytes;
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll >= 0)
		close(loop->epoll);
	mailbox_fini(&loop->mailbox);
	mem_free(loop->read_buffer);
	mem_free(loop->scratch);
	mem_free(loop);
}

bool loop_is_current(const struct loop *loop)
{
	/* Relaxed: a thread that reads its own name has written it. */
	return pthread_equal(atomic_load_explicit(&loop->owner, memory_order_relaxed),
	                     pthread_self());
}

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->timers.now_ms;
}

int64_t loop_mono_us(const struct loop *loop)
{
	return loop->mono_us;
}

int64_t loop_wall_us(const struct loop *loop)
{
	return loop->wall_us;
}

struct loop_counts loop_counts(const struct loop *loop)
{
	return loop->counts;
}

char *loop_read_buffer(struct loop *loop, size_t *size)
{
	*size = loop->read_bytes;
	return loop->read_buffer;
}

char *loop_scratch(struct loop *loop)
{
	if (!loop->scratch)
		loop->scratch = mem_alloc(LOOP_SCRATCH_BYTES);
	return loop->scratch;
}

bool loop_watch(struct loop *loop, struct loop_fd *watch)
{
	check(!watch->is_watched_);
	return control(loop, watch, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool loop_watch_level(struct loop *loop, struct loop_fd *watch, uint32_t events)
{
	return control(loop, watch, watch->is_watched_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
}

void loop_unwatch(struct loop *loop, struct loop_fd *watch)
{
	if (!watch->is_watched_)
		return;
	/* Also before a close, which would do it: a child that is being started may hold a copy of
	 * the descriptor until it execs, and the registration would live on with it. */
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->is_watched_ = false;
	for (int i = loop->event + 1; i < loop->nevents; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

bool loop_has_event(const struct loop *loop, const struct loop_fd *watch)
{
	for (int i = loop->event + 1; i < loop->nevents; i++)
		if (loop->events[i].data.ptr == watch)
			return true;
	return false;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (task->is_queued_)
		return;
	task->is_queued_ = true;
	list_push_back(&loop->tasks, &task->node_);
}

void loop_hurry(struct loop *loop, struct loop_task *task)
{
	loop->hurried = task;
}

bool loop_has_more(const struct loop *loop)
{
	return loop->event + 1 < loop->nevents;
}

void loop_task_cancel(struct loop_task *task)
{
	if (!task->is_queued_)
		return;
	task->is_queued_ = false;
	list_remove(&task->node_);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t deadline_ms)
{
	timer_wheel_set(&loop->timers, timer, deadline_ms);
}

void loop_post(struct loop *loop, struct mail *mail)
{
	mailbox_post(&loop->mailbox, mail);
}

void loop_stop(struct loop *loop)
{
	/* Pairs with loop_run: what its thread did before is seen after the stop. */
	atomic_store_explicit(&loop->is_stopping, true, memory_order_release);
	mailbox_ring(&loop->mailbox);
}

int64_t loop_standing_delay_ms(const struct loop *loop)
{
	const struct delay *delay = &loop->delay;

	return delay->least_ms < delay->before_ms ? delay->least_ms : delay->before_ms;
}

/* Asked for events at asked_ms, and has them now. */
static void note_delay(struct loop *loop, int64_t asked_ms)
{
	struct delay *delay = &loop->delay;
	int64_t now_ms = loop->timers.now_ms, late_ms = asked_ms - delay->caught_up_ms;

	if (now_ms - asked_ms > SLEEP_MS || late_ms < 0)
		late_ms = 0;
	if (now_ms - delay->window_ms >= DELAY_WINDOW_MS) {
		delay->window_ms = now_ms;
		delay->before_ms = delay->least_ms;
		delay->least_ms = late_ms;
	} else if (late_ms < delay->least_ms) {
		delay->least_ms = late_ms;
	}
	if (loop->nevents < BATCH) {
		delay->caught_up_ms = now_ms;
	} else if (late_ms > SLEEP_MS && delay->rung_ms == 0) {
		delay->rung_ms = now_ms;
		mailbox_ring(&loop->mailbox);
	}
}

static void wait_for_events(struct loop *loop)
{
	int64_t asked_ms = clock_mono_coarse_ms();
	int timeout_ms = list_is_empty(&loop->tasks) ? timer_wheel_wait_ms(&loop->timers) : 0;

	if (timeout_ms != 0 && !mailbox_fall_asleep(&loop->mailbox))
		timeout_ms = 0;
	loop->nevents = epoll_wait(loop->epoll, loop->events, BATCH, timeout_ms);
	check(loop->nevents >= 0 || errno == EINTR);
	loop->counts.turns++;
	loop->counts.events += loop->nevents > 0 ? (uint64_t)loop->nevents : 0;
	loop->event = -1;
	if (timeout_ms != 0)
		mailbox_wake_up(&loop->mailbox);
	read_clocks(loop);
	note_delay(loop, asked_ms);
}

/* It is in the queue, if it still wants to run: looked for there, since its owner may be gone. */
static void run_hurried(struct loop *loop)
{
	struct loop_task *hurried = loop->hurried;

	loop->hurried = NULL;
	LIST_EACH_SAFE(node, &loop->tasks) {
		struct loop_task *task = CONTAINER(node, struct loop_task, node_);

		if (task != hurried)
			continue;
		loop_task_cancel(task);
		task->run(task);
		return;
	}
}

static void dispatch_events(struct loop *loop)
{
	for (loop->event = 0; loop->event < loop->nevents; loop->event++) {
		struct epoll_event *event = &loop->events[loop->event];
		struct loop_fd *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events);
		if (loop->hurried)
			run_hurried(loop);
	}
	loop->nevents = 0;
}

/* Those that are queued now; a task that they queue waits for the next turn. */
static void run_tasks(struct loop *loop)
{
	struct list now, *node;

	list_init(&now);
	list_splice(&now, &loop->tasks);
	while ((node = list_pop_front(&now))) {
		struct loop_task *task = CONTAINER(node, struct loop_task, node_);

		task->is_queued_ = false;
		task->run(task);
	}
}

/* Mail that this turn's mail and events led to, most of it to the loop itself, without a look for
 * events between: a question to a helper is several such steps. */
static void deliver_consequences(struct loop *loop)
{
	for (unsigned i = 0; i < MAIL_ROUNDS; i++)
		mailbox_deliver(&loop->mailbox);
}

static void turn(struct loop *loop)
{
	wait_for_events(loop);
	mailbox_deliver(&loop->mailbox);
	dispatch_events(loop);
	timer_wheel_advance(&loop->timers, loop->timers.now_ms);
	deliver_consequences(loop);
	run_tasks(loop);
}

void loop_run(struct loop *loop)
{
	atomic_store_explicit(&loop->owner, pthread_self(), memory_order_relaxed);
	do
		turn(loop);
	/* Pairs with loop_stop. */
	while (!atomic_load_explicit(&loop->is_stopping, memory_order_acquire));
	atomic_store_explicit(&loop->is_stopping, false, memory_order_relaxed);
	mailbox_deliver(&loop->mailbox);
	run_tasks(loop);
}

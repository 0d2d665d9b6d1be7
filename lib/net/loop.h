/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/loop.h: one thread's event loop over epoll: descriptors, deferred calls, timers and a
 * mailbox.
 *
 * Threads: a loop belongs to the thread that runs it; only loop_post and loop_stop may be called
 * from others. Nothing registered here is called from within a call that registers it. Whatever a
 * callback may find gone is taken back first by its owner (loop_unwatch, loop_task_cancel,
 * timer_cancel): afterwards it is never called again, not even for events already fetched. */
#ifndef NET_LOOP_H
#define NET_LOOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/list.h"

struct loop; /* opaque */

/* read_bytes: size of the shared read buffer (loop_read_buffer). On failure: NULL and why. The loop
 * is its maker's until a thread runs it. */
struct loop *loop_create(size_t read_bytes, struct err_text *why);
void loop_destroy(struct loop *loop); /* nothing may be registered any more; accepts NULL */

/* Until loop_stop. What was posted or deferred before the stop has run when this returns. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread; also before loop_run, which then does one turn */
bool loop_is_current(const struct loop *loop); /* is this the thread that runs it */

/* The clocks as they stood when the loop last woke up. */
int64_t loop_now_ms(const struct loop *loop);  /* monotonic */
int64_t loop_wall_us(const struct loop *loop); /* since 1970; may jump */
int64_t loop_mono_us(const struct loop *loop); /* for durations; beside loop_now_ms */

/* Since loop_create; the loop's own thread. */
struct loop_counts {
	uint64_t turns;  /* how often it asked for events */
	uint64_t events; /* how many it got */
};
struct loop_counts loop_counts(const struct loop *loop);

/* How long events have had to wait for the loop at the least in the last half to whole second: 0 or
 * a few ms unless more comes, all the time, than it gets done. The loop's own thread. */
int64_t loop_standing_delay_ms(const struct loop *loop);

/* Scratch for reads, one for all of a loop's streams: what lies in it is gone when the current
 * callback returns, or at the next read. */
char *loop_read_buffer(struct loop *loop, size_t *size);

/* LOOP_SCRATCH_BYTES for a transport's own use within one call: two TLS records at least. */
enum { LOOP_SCRATCH_BYTES = 36864 };
char *loop_scratch(struct loop *loop);

/* A descriptor, registered once (edge-triggered, in and out) and never re-armed. */
struct loop_fd {
	int fd;
	bool is_watched_;
	void (*ready)(struct loop_fd *watch, uint32_t events); /* EPOLL* bits; from the loop */
};
bool loop_watch(struct loop *loop, struct loop_fd *watch); /* false: errno says why */

/* For libraries that read and write by themselves and ask for readiness: level-triggered, for these
 * EPOLL* bits only. Called again it changes them. */
bool loop_watch_level(struct loop *loop, struct loop_fd *watch, uint32_t events);

/* Is there an event of it among those that were fetched and have not been told yet? */
bool loop_has_event(const struct loop *loop, const struct loop_fd *watch);

/* Does not close fd, and comes before its close. Fine on one that is not watched. */
void loop_unwatch(struct loop *loop, struct loop_fd *watch);

/* A call that runs soon, from the loop: after the current batch of events, before the loop sleeps
 * again. One that a task defers runs in the next turn, after events have had theirs. Zeroed memory
 * with run set is a task. */
struct loop_task {
	struct list node_;
	void (*run)(struct loop_task *task);
	bool is_queued_;
};
void loop_defer(struct loop *loop, struct loop_task *task); /* no effect when queued already */
/* One that is queued runs before the next of the batch's events, once the one at hand has been
 * dealt with. One task at a time: of several, the last one asked for. */
void loop_hurry(struct loop *loop, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);
/* Are there events to come in the batch at hand? */
bool loop_has_more(const struct loop *loop);

/* A message to a loop, given away by the sender: deliver runs once, on the loop's thread, in the
 * order of posting by each sender. An eventfd is written only when the queue was empty and the loop
 * sleeps. */
struct mail {
	struct mail *next_;
	void (*deliver)(struct mail *mail);
};
void loop_post(struct loop *loop, struct mail *mail); /* any thread */

/* A coarse timer (a tick is some 50 ms; it fires no earlier than its deadline, at most two ticks
 * late). Moving a deadline later is a store: the wheel re-files it when it gets there. Cancelling
 * one in zeroed memory is fine. */
struct timer {
	struct list node_;
	int64_t deadline_ms; /* of the monotonic clock; 0: not set */
	int64_t filed_ms_;
	void (*fire)(struct timer *timer); /* from the loop; the timer is unset by then */
};
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
void timer_set(struct loop *loop, struct timer *timer, int64_t deadline_ms);
void timer_cancel(struct timer *timer);

#endif

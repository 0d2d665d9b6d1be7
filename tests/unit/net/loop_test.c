/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <pthread.h>
#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/net/loop.h"

static struct loop *loop;

static int set_up(void **state)
{
	(void)state;
	loop = loop_create(4096, NULL);
	return loop ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_destroy(loop);
	return 0;
}

/* ---- tasks */

struct step {
	struct loop_task task;
	struct step *then;
	int place; /* in the order of running, from 1 */
};

static int nsteps;

static void run_step(struct loop_task *task)
{
	struct step *step = CONTAINER(task, struct step, task);

	step->place = ++nsteps;
	if (step->then)
		loop_defer(loop, &step->then->task);
	else
		loop_stop(loop);
}

static void tasks_run_in_order_and_once(void **state)
{
	struct step last = {.task.run = run_step};
	struct step first = {.task.run = run_step, .then = &last};
	struct step second = {.task.run = run_step, .then = &last};
	struct step cancelled = {.task.run = run_step};

	(void)state;
	nsteps = 0;
	loop_defer(loop, &first.task);
	loop_defer(loop, &cancelled.task);
	loop_defer(loop, &second.task);
	loop_defer(loop, &first.task);
	loop_task_cancel(&cancelled.task);
	loop_task_cancel(&cancelled.task);
	loop_run(loop);
	assert_int_equal(first.place, 1);
	assert_int_equal(second.place, 2);
	assert_int_equal(last.place, 3);
	assert_int_equal(cancelled.place, 0);
}

/* ---- descriptors */

struct end {
	struct loop_fd watch;
	int peer;
	struct end *other; /* unwatched when this one is called */
	struct step *step; /* deferred then */
	unsigned nready;
	uint32_t events;
};

static void end_ready(struct loop_fd *watch, uint32_t events)
{
	struct end *end = CONTAINER(watch, struct end, watch);

	end->nready++;
	end->events |= events;
	if (end->step)
		loop_defer(loop, &end->step->task);
	if (end->other && end->other->watch.is_watched_) {
		loop_unwatch(loop, &end->other->watch);
		memset(&end->other->watch, 0xff, sizeof(end->other->watch));
	}
}

static void open_end(struct end *end)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*end = (struct end){.watch = {.fd = fds[0], .ready = end_ready}, .peer = fds[1]};
}

static void close_end(struct end *end, int fd)
{
	if (end->watch.fd == fd)
		loop_unwatch(loop, &end->watch);
	close(fd);
	close(end->peer);
}

/* Events that were fetched together with the one at hand included. */
static void an_unwatched_descriptor_is_never_called(void **state)
{
	struct step stop = {.task.run = run_step};
	struct end a, b;
	int a_fd, b_fd;

	(void)state;
	open_end(&a);
	open_end(&b);
	a_fd = a.watch.fd;
	b_fd = b.watch.fd;
	a.other = &b;
	b.other = &a;
	a.step = b.step = &stop;
	assert_true(loop_watch(loop, &a.watch));
	assert_true(loop_watch(loop, &b.watch));
	loop_run(loop);
	assert_int_equal(a.nready + b.nready, 1);
	close_end(&a, a_fd);
	close_end(&b, b_fd);
}

static void an_edge_is_told_once(void **state)
{
	struct step third = {.task.run = run_step};
	struct step second = {.task.run = run_step, .then = &third};
	struct step first = {.task.run = run_step, .then = &second};
	struct end end;

	(void)state;
	open_end(&end);
	assert_int_equal(write(end.peer, "x", 1), 1);
	assert_true(loop_watch(loop, &end.watch));
	loop_defer(loop, &first.task);
	loop_run(loop);
	assert_int_equal(end.nready, 1);
	assert_int_equal(end.events, EPOLLIN | EPOLLOUT);
	close_end(&end, end.watch.fd);
}

static void a_level_is_told_while_it_lasts_and_of_what_was_asked(void **state)
{
	struct step third = {.task.run = run_step};
	struct step second = {.task.run = run_step, .then = &third};
	struct step first = {.task.run = run_step, .then = &second};
	struct end end;

	(void)state;
	open_end(&end);
	assert_int_equal(write(end.peer, "x", 1), 1);
	assert_true(loop_watch_level(loop, &end.watch, EPOLLIN));
	loop_defer(loop, &first.task);
	loop_run(loop);
	assert_int_equal(end.nready, 3);
	assert_int_equal(end.events, EPOLLIN);

	end.events = end.nready = 0;
	assert_true(loop_watch_level(loop, &end.watch, EPOLLOUT));
	loop_defer(loop, &third.task);
	loop_run(loop);
	assert_int_equal(end.nready, 1);
	assert_int_equal(end.events, EPOLLOUT);
	close_end(&end, end.watch.fd);
}

/* ---- mail */

enum { NSENDERS = 2, NMAILS = 20000 };

struct letter {
	struct mail mail;
	int sender, number;
};

static int nreceived, next_number[NSENDERS];

static void read_letter(struct mail *mail)
{
	struct letter *letter = CONTAINER(mail, struct letter, mail);

	assert_true(loop_is_current(loop));
	assert_int_equal(letter->number, next_number[letter->sender]++);
	free(letter);
	if (++nreceived == NSENDERS * NMAILS)
		loop_stop(loop);
}

/* Pauses now and then, so that the loop falls asleep between letters. */
static void *send_letters(void *arg)
{
	const struct timespec moment = {.tv_nsec = 1000};
	int sender = *(int *)arg;

	assert_false(loop_is_current(loop));
	for (int i = 0; i < NMAILS; i++) {
		struct letter *letter = malloc(sizeof(*letter));

		*letter =
			(struct letter){.mail.deliver = read_letter, .sender = sender, .number = i};
		loop_post(loop, &letter->mail);
		if (i % 16 == sender)
			nanosleep(&moment, NULL);
	}
	return NULL;
}

static void no_mail_is_lost_and_each_senders_order_is_kept(void **state)
{
	pthread_t threads[NSENDERS];
	int names[NSENDERS] = {0, 1};

	(void)state;
	nreceived = 0;
	memset(next_number, 0, sizeof(next_number));
	for (int i = 0; i < NSENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &names[i]), 0);
	loop_run(loop);
	for (int i = 0; i < NSENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(nreceived, NSENDERS * NMAILS);
}

static void count_letter(struct mail *mail)
{
	(void)mail;
	nreceived++;
}

static void mail_posted_before_the_stop_is_delivered(void **state)
{
	struct mail mails[3];

	(void)state;
	nreceived = 0;
	for (int i = 0; i < 3; i++) {
		mails[i] = (struct mail){.deliver = count_letter};
		loop_post(loop, &mails[i]);
	}
	loop_stop(loop);
	loop_run(loop);
	assert_int_equal(nreceived, 3);
}

static void *stop_soon(void *arg)
{
	const struct timespec moment = {.tv_nsec = 20000000};

	(void)arg;
	nanosleep(&moment, NULL);
	loop_stop(loop);
	return NULL;
}

static void another_thread_stops_a_loop_that_sleeps(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
}

/* ---- time */

static void stop_by_timer(struct timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void a_timer_wakes_the_loop(void **state)
{
	struct timer timer;
	int64_t start_ms = clock_mono_ms();

	(void)state;
	timer_init(&timer, stop_by_timer);
	timer_set(loop, &timer, start_ms + 30);
	loop_run(loop);
	assert_true(loop_now_ms(loop) >= start_ms + 30);
	assert_true(loop_now_ms(loop) <= clock_mono_ms());
	assert_true(clock_wall_us() - loop_wall_us(loop) < 10000000);
}

static void reads_share_one_buffer(void **state)
{
	size_t size;

	(void)state;
	assert_non_null(loop_read_buffer(loop, &size));
	assert_int_equal(size, 4096);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* ---- how late it is */

struct toil {
	struct loop_task task;
	int64_t until_ms;
	int64_t most_ms; /* of the standing delay */
};

/* 20 ms of work in each turn, and always more of it. */
static void run_toil(struct loop_task *task)
{
	struct toil *toil = CONTAINER(task, struct toil, task);
	int64_t delay_ms = loop_standing_delay_ms(loop);

	if (delay_ms > toil->most_ms)
		toil->most_ms = delay_ms;
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	if (clock_mono_ms() < toil->until_ms)
		loop_defer(loop, task);
	else
		loop_stop(loop);
}

static void delay_stands_while_there_is_always_more(void **state)
{
	struct toil toil = {.task.run = run_toil, .until_ms = clock_mono_ms() + 1200};
	struct timer timer;

	(void)state;
	assert_int_equal(loop_standing_delay_ms(loop), 0);
	loop_defer(loop, &toil.task);
	loop_run(loop);
	assert_true(toil.most_ms >= 12);
	timer_init(&timer, stop_by_timer);
	timer_set(loop, &timer, loop_now_ms(loop) + 100);
	loop_run(loop); /* it sleeps: nothing waits any more */
	assert_int_equal(loop_standing_delay_ms(loop), 0);
}

/* Descriptors that are always ready again, more of them than are fetched at a time. */
enum { NBUSY = 300 };

struct busy {
	struct loop_fd watch;
	struct toil *toil;
};

static void run_busy(struct loop_fd *watch, uint32_t events)
{
	struct toil *toil = CONTAINER(watch, struct busy, watch)->toil;
	int64_t delay_ms = loop_standing_delay_ms(loop);

	(void)events;
	if (delay_ms > toil->most_ms)
		toil->most_ms = delay_ms;
	eventfd_write(watch->fd, 1);
	if (clock_mono_ms() >= toil->until_ms)
		loop_stop(loop);
}

static void delay_is_that_of_one_round_of_many(void **state)
{
	struct toil toil = {.until_ms = clock_mono_ms() + 1700};
	struct busy busy[NBUSY];

	(void)state;
	for (int i = 0; i < NBUSY; i++) {
		int fd = eventfd(1, EFD_NONBLOCK);

		busy[i] = (struct busy){{.fd = fd, .ready = run_busy}, &toil};
		assert_true(fd >= 0 && loop_watch(loop, &busy[i].watch));
	}
	loop_run(loop);
	for (int i = 0; i < NBUSY; i++) {
		loop_unwatch(loop, &busy[i].watch);
		close(busy[i].watch.fd);
	}
	/* One round takes a millisecond or so; all of it took 1.7 s. */
	assert_true(toil.most_ms < 500);
}

/* ---- a task that is in a hurry */

struct pair {
	struct loop_fd watches[3];
	int ends[3][2];
	struct loop_task task;
	unsigned nready, nready_before_task;
	bool has_more[3];
};

static struct pair *pair;

static void task_in_a_hurry(struct loop_task *task)
{
	(void)task;
	pair->nready_before_task = pair->nready;
}

static void ready_in_turn(struct loop_fd *watch, uint32_t events)
{
	char byte;

	(void)events;
	assert_int_equal(read(watch->fd, &byte, 1), 1);
	pair->has_more[pair->nready++] = loop_has_more(loop);
	if (pair->nready == 1) {
		loop_defer(loop, &pair->task);
		loop_hurry(loop, &pair->task);
	}
	if (pair->nready == 3)
		loop_stop(loop);
}

static void a_task_in_a_hurry_runs_before_the_next_event(void **state)
{
	struct pair own = {.task.run = task_in_a_hurry};

	(void)state;
	pair = &own;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, own.ends[i]), 0);
		own.watches[i] = (struct loop_fd){.fd = own.ends[i][0], .ready = ready_in_turn};
		assert_true(loop_watch(loop, &own.watches[i]));
		assert_int_equal(write(own.ends[i][1], "x", 1), 1);
	}
	loop_run(loop);
	assert_int_equal(own.nready_before_task, 1);
	assert_true(own.has_more[0] && own.has_more[1] && !own.has_more[2]);
	for (int i = 0; i < 3; i++) {
		loop_unwatch(loop, &own.watches[i]);
		close(own.ends[i][0]);
		close(own.ends[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tasks_run_in_order_and_once),
		TEST(an_unwatched_descriptor_is_never_called),
		TEST(an_edge_is_told_once),
		TEST(a_level_is_told_while_it_lasts_and_of_what_was_asked),
		TEST(no_mail_is_lost_and_each_senders_order_is_kept),
		TEST(mail_posted_before_the_stop_is_delivered),
		TEST(another_thread_stops_a_loop_that_sleeps),
		TEST(a_timer_wakes_the_loop),
		TEST(a_task_in_a_hurry_runs_before_the_next_event),
		TEST(reads_share_one_buffer),
		TEST(delay_stands_while_there_is_always_more),
		TEST(delay_is_that_of_one_round_of_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

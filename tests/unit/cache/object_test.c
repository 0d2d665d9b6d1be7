/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

static const struct object_head plain_head = {
	.status = 200,
	.head = {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", 43},
	.url = {"http://www.example/", 19},
	.body_bytes = -1,
};

static struct object_head head_of_length(int64_t body_bytes)
{
	struct object_head head = plain_head;

	head.body_bytes = body_bytes;
	return head;
}

static char byte_at(uint64_t offset)
{
	return (char)(offset * 2654435761u >> 13);
}

static void append_pattern(struct object *object, size_t len)
{
	while (len > 0) {
		uint64_t length = object_length(object);
		size_t room;
		char *at = object_reserve(object, &room);

		if (room > len)
			room = len;
		for (size_t i = 0; i < room; i++)
			at[i] = byte_at(length + i);
		object_commit(object, room);
		len -= room;
	}
}

/* Takes what is there (at most max_bytes) and compares it; returns what object_read said. */
static enum object_read take(struct object_reader *reader, uint64_t max_bytes)
{
	struct iovec iov[4];
	int niov;
	enum object_read verdict = object_read(reader, iov, 4, max_bytes, &niov);
	uint64_t at = reader->offset, n = 0;

	for (int i = 0; i < niov; i++)
		for (size_t k = 0; k < iov[i].iov_len; k++, n++)
			check(((char *)iov[i].iov_base)[k] == byte_at(at + n));
	check(n <= max_bytes);
	object_reader_advance(reader, n);
	return verdict;
}

static void count_wake(void *owner)
{
	++*(unsigned *)owner;
}

static void a_whole_object_is_read_without_standing_on_a_list(void **state)
{
	struct object *object = object_create_whole(&plain_head, STR("hello"));
	struct object_reader reader;
	struct iovec iov;
	int niov;

	(void)state;
	object_reader_open(&reader, object, 1, NULL, count_wake, NULL);
	assert_int_equal(object_nreaders(object), 0);
	assert_int_equal(object_reader_head(&reader), OBJECT_READ_DATA);
	assert_int_equal(object_read(&reader, &iov, 1, 3, &niov), OBJECT_READ_DATA);
	assert_int_equal(niov, 1);
	assert_memory_equal(iov.iov_base, "ell", 3);
	assert_int_equal(iov.iov_len, 3);
	object_reader_advance(&reader, 3);
	assert_int_equal(object_read(&reader, &iov, 1, 3, &niov), OBJECT_READ_DATA);
	object_reader_advance(&reader, 1);
	assert_int_equal(object_read(&reader, &iov, 1, 3, &niov), OBJECT_READ_END);
	object_reader_close(&reader);
	object_reader_close(&reader);
	object_unref(object);
}

/* What passes through and is not stored: the next one finds its memory, and nothing of what it held. */
static void a_private_object_leaves_its_memory_to_the_next(void **state)
{
	static const size_t lengths[] = {1000, 0, 100000, 1, 1000};

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		const struct object_head head = head_of_length((int64_t)lengths[i]);
		struct object *object = object_create_private(NULL, NULL, NULL, 1 << 20);
		struct object_reader reader;

		assert_int_equal(object_state(object), OBJECT_EMPTY);
		assert_null(object->head.at);
		object_reader_open(&reader, object, 0, NULL, NULL, NULL);
		object_set_head(object, &head);
		append_pattern(object, lengths[i]);
		object_finish(object);
		if (i % 2 == 1)
			object_publish(object);
		assert_int_equal(object->head.len, head.head.len);
		while (take(&reader, UINT64_MAX) == OBJECT_READ_DATA)
			continue;
		assert_int_equal(reader.offset, lengths[i]);
		object_reader_close(&reader);
		assert_false(object_is_shared(object));
		object_unref(object);
	}
}

static void an_empty_body_ends_at_once(void **state)
{
	struct object *object = object_create_whole(&plain_head, STR(""));
	struct object_reader reader;

	(void)state;
	object_reader_open(&reader, object, 0, NULL, count_wake, NULL);
	assert_int_equal(take(&reader, 10), OBJECT_READ_END);
	object_reader_close(&reader);
	object_unref(object);
}

/* RFC 9111 §4.3.4: the 304's head with the stored body. */
static void a_renewed_object_shares_the_body(void **state)
{
	struct object *old = object_create_whole(&plain_head, STR("body")), *second, *third;
	struct object_head head = plain_head;
	struct object_reader reader;
	struct iovec iov;
	int niov;

	(void)state;
	head.head = STR("HTTP/1.1 200 OK\r\nETag: \"2\"\r\n");
	second = object_create_renewed(old, &head);
	object_unref(old);
	third = object_create_renewed(second, &head);
	object_unref(second);
	object_reader_open(&reader, third, 0, NULL, count_wake, NULL);
	assert_int_equal(object_read(&reader, &iov, 1, 100, &niov), OBJECT_READ_DATA);
	assert_memory_equal(iov.iov_base, "body", 4);
	assert_int_equal(third->body_bytes, 4);
	assert_true(str_eq(third->head, head.head));
	object_reader_close(&reader);
	object_unref(third);
}

static void readers_wait_for_the_head_and_then_for_bytes(void **state)
{
	struct object *object = object_create(NULL, NULL, NULL, 65536);
	struct object_reader reader;
	unsigned nwakes = 0;

	(void)state;
	object_reader_open(&reader, object, 0, NULL, count_wake, &nwakes);
	assert_int_equal(object_reader_head(&reader), OBJECT_READ_WAIT);
	object_set_head(object, &plain_head);
	assert_int_equal(nwakes, 1);
	assert_int_equal(object_reader_head(&reader), OBJECT_READ_DATA);
	assert_int_equal(take(&reader, 100), OBJECT_READ_WAIT);
	append_pattern(object, 10);
	append_pattern(object, 10);
	assert_int_equal(nwakes, 2); /* once for each wait */
	assert_int_equal(take(&reader, 100), OBJECT_READ_DATA);
	assert_int_equal(reader.offset, 20);
	assert_int_equal(take(&reader, 100), OBJECT_READ_WAIT);
	object_finish(object);
	assert_int_equal(nwakes, 3);
	assert_int_equal(take(&reader, 100), OBJECT_READ_END);
	object_reader_close(&reader);
	object_unref(object);
}

static void an_abort_comes_after_the_bytes_before_it(void **state)
{
	struct object *object = object_create(NULL, NULL, NULL, 65536);
	struct object_reader reader;

	(void)state;
	object_set_head(object, &plain_head);
	object_reader_open(&reader, object, 0, NULL, count_wake, &(unsigned){0});
	append_pattern(object, 10);
	object_abort(object, ECONNRESET);
	assert_int_equal(take(&reader, 100), OBJECT_READ_DATA);
	assert_int_equal(take(&reader, 100), OBJECT_READ_ABORTED);
	assert_int_equal(object_abort_error(object), ECONNRESET);
	object_reader_close(&reader);
	object_unref(object);
}

/* An answer cut short is never stored or served as whole. */
static void finishing_short_of_the_known_length_is_an_abort(void **state)
{
	struct object_head head = head_of_length(100);
	struct object *object = object_create(NULL, NULL, NULL, 65536);

	(void)state;
	object_keep(object, true);
	object_set_head(object, &head);
	append_pattern(object, 99);
	object_finish(object);
	assert_int_equal(object_state(object), OBJECT_ABORTED);
	assert_false(object_is_whole(object));
	object_unref(object);
}

static void a_known_length_takes_no_more_memory_than_it_needs(void **state)
{
	static const int64_t lengths[] = {1, 1000, 32768, 32769, 100000};

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct object_head head = head_of_length(lengths[i]);
		struct object *object = object_create(NULL, NULL, NULL, 0);
		struct object_reader reader;

		object_keep(object, true);
		object_set_head(object, &head);
		append_pattern(object, (size_t)lengths[i]);
		object_finish(object);
		assert_true(object_is_whole(object));
		assert_in_range(object_memory_bytes(object), lengths[i], lengths[i] + 1000);
		object_reader_open(&reader, object, (uint64_t)lengths[i] - 1, NULL, count_wake, NULL);
		assert_int_equal(take(&reader, 100), OBJECT_READ_DATA);
		assert_int_equal(take(&reader, 100), OBJECT_READ_END);
		object_reader_close(&reader);
		object_unref(object);
	}
}

/* Memory for a response is bounded whatever its size. */
static void what_is_not_kept_is_freed_behind_the_slowest_and_pauses_its_producer(void **state)
{
	unsigned nwakes = 0, nreader_wakes = 0;
	struct object *object = object_create(NULL, count_wake, &nwakes, 65536);
	struct object_reader fast, slow, late;
	uint64_t sent = 0;

	(void)state;
	object_set_head(object, &plain_head);
	object_reader_open(&fast, object, 0, NULL, count_wake, &nreader_wakes);
	object_reader_open(&slow, object, 0, NULL, count_wake, &nreader_wakes);
	for (int round = 0; round < 200; round++) {
		while (object_may_append(object)) {
			append_pattern(object, 5000);
			sent += 5000;
		}
		nwakes = 0;
		while (take(&fast, 9000) == OBJECT_READ_DATA)
			;
		assert_int_equal(nwakes, 0);
		assert_int_equal(take(&slow, 30000), OBJECT_READ_DATA);
		assert_int_equal(nwakes, 1);
		assert_in_range(object_memory_bytes(object), 1, 65536 + 5000 + 2 * 32768 + 2000);
	}
	assert_true(sent > 5000000);
	object_reader_open(&late, object, 0, NULL, count_wake, &nreader_wakes);
	assert_int_equal(take(&late, 1), OBJECT_READ_ABORTED);
	object_reader_close(&late);
	object_reader_close(&fast);
	nwakes = 0;
	object_reader_close(&slow);
	assert_int_equal(nwakes, 1); /* the last one left */
	object_abort(object, ECONNABORTED);
	object_unref(object);
}

/* ---- on several loops */

struct round;

struct follower {
	struct mail start;
	struct object_reader reader;
	struct round *round;
	struct loop *loop;
	uint64_t offset, close_at;
	size_t max_bytes;
};

enum { NFOLLOWERS = 6 };

struct round {
	struct mail start;
	struct loop_task task;
	struct loop *loop;
	struct object *object;
	struct follower followers[NFOLLOWERS];
	uint64_t total, abort_at;
	size_t step;
	bool is_kept;
	atomic_int nunopened, nrunning;
	sem_t done;
};

static void leave(struct round *round)
{
	if (atomic_fetch_sub(&round->nrunning, 1) == 1)
		sem_post(&round->done);
}

static void stop_producing(struct round *round)
{
	if (round->task.is_queued_)
		loop_task_cancel(&round->task);
	leave(round);
}

static void produce(void *owner)
{
	struct round *round = owner;
	struct object *object = round->object;

	for (int i = 0; i < 8; i++) {
		uint64_t length = object_length(object);
		size_t step = round->total - length < round->step ? (size_t)(round->total - length)
								  : round->step;

		if (length >= round->abort_at ||
		    (!round->is_kept && object_nreaders(object) == 0)) {
			object_abort(object, ECONNRESET);
			stop_producing(round);
			return;
		}
		if (step == 0) {
			object_finish(object);
			stop_producing(round);
			return;
		}
		if (!object_may_append(object))
			return;
		append_pattern(object, step);
	}
	loop_defer(round->loop, &round->task);
}

static void produce_more(struct loop_task *task)
{
	produce(CONTAINER(task, struct round, task));
}

static void start_producer(struct mail *mail)
{
	struct round *round = CONTAINER(mail, struct round, start);
	struct object_head head = head_of_length(round->total % 3 ? -1 : (int64_t)round->total);

	check(loop_is_current(round->loop));
	object_set_head(round->object, &head);
	loop_defer(round->loop, &round->task);
}

static void follow(void *owner)
{
	struct follower *follower = owner;
	enum object_read verdict = object_reader_head(&follower->reader);

	check(loop_is_current(follower->loop));
	while (verdict == OBJECT_READ_DATA && follower->reader.offset < follower->close_at)
		verdict = take(&follower->reader, follower->max_bytes);
	if (verdict == OBJECT_READ_WAIT)
		return;
	if (verdict == OBJECT_READ_ABORTED)
		check(follower->round->abort_at < follower->round->total);
	if (verdict == OBJECT_READ_END)
		check(follower->reader.offset == follower->round->total ||
		      follower->offset > follower->round->total);
	object_reader_close(&follower->reader);
	leave(follower->round);
}

static void start_follower(struct mail *mail)
{
	struct follower *follower = CONTAINER(mail, struct follower, start);
	struct round *round = follower->round;

	object_reader_open(&follower->reader, round->object, follower->offset, follower->loop, follow,
			   follower);
	if (atomic_fetch_sub(&round->nunopened, 1) == 1 && !round->is_kept)
		loop_post(round->loop, &round->start);
	follow(follower);
}

static uint64_t draw(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void set_follower(struct round *round, struct follower *follower, struct loop *loop,
			 uint64_t *seed)
{
	follower->round = round;
	follower->loop = loop;
	follower->start.deliver = start_follower;
	follower->max_bytes = 1 + draw(seed, 70000);
	follower->offset = round->is_kept && draw(seed, 2) ? draw(seed, round->total + 10) : 0;
	follower->close_at = draw(seed, 4) ? UINT64_MAX : draw(seed, round->total);
}

static void run_round(struct loop *const loops[3], uint64_t *seed)
{
	struct round *round = mem_zalloc(sizeof(*round));

	round->loop = loops[0];
	round->start.deliver = start_producer;
	round->task.run = produce_more;
	round->total = draw(seed, 8) ? 1 + draw(seed, 600000) : 1 + draw(seed, 3000);
	round->abort_at = draw(seed, 4) ? UINT64_MAX : draw(seed, round->total);
	round->step = (size_t)(1 + draw(seed, 20000));
	round->is_kept = draw(seed, 2);
	sem_init(&round->done, 0, 0);
	atomic_init(&round->nunopened, NFOLLOWERS);
	atomic_init(&round->nrunning, NFOLLOWERS + 1);
	round->object = object_create(loops[0], produce, round, 1 + draw(seed, 70000));
	object_keep(round->object, round->is_kept);
	for (int i = 0; i < NFOLLOWERS; i++)
		set_follower(round, &round->followers[i], loops[i % 3], seed);
	if (round->is_kept)
		loop_post(round->loop, &round->start);
	for (int i = 0; i < NFOLLOWERS; i++)
		loop_post(round->followers[i].loop, &round->followers[i].start);
	while (sem_wait(&round->done) != 0)
		;
	object_unref(round->object);
	sem_destroy(&round->done);
	mem_free(round);
}

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static void readers_on_three_loops_follow_one_producer(void **state)
{
	struct loop *loops[3];
	pthread_t threads[3];
	uint64_t seed = 88172645463325252u;

	(void)state;
	alarm(120); /* a wake that never comes */
	for (int i = 0; i < 3; i++) {
		loops[i] = loop_create(4096, NULL);
		assert_non_null(loops[i]);
		pthread_create(&threads[i], NULL, run_loop, loops[i]);
	}
	for (int i = 0; i < 400; i++)
		run_round(loops, &seed);
	for (int i = 0; i < 3; i++) {
		loop_stop(loops[i]);
		pthread_join(threads[i], NULL);
		loop_destroy(loops[i]);
	}
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_object_is_read_without_standing_on_a_list),
		cmocka_unit_test(a_private_object_leaves_its_memory_to_the_next),
		cmocka_unit_test(an_empty_body_ends_at_once),
		cmocka_unit_test(a_renewed_object_shares_the_body),
		cmocka_unit_test(readers_wait_for_the_head_and_then_for_bytes),
		cmocka_unit_test(an_abort_comes_after_the_bytes_before_it),
		cmocka_unit_test(finishing_short_of_the_known_length_is_an_abort),
		cmocka_unit_test(a_known_length_takes_no_more_memory_than_it_needs),
		cmocka_unit_test(what_is_not_kept_is_freed_behind_the_slowest_and_pauses_its_producer),
		cmocka_unit_test(readers_on_three_loops_follow_one_producer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

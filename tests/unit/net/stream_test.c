/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/net/socket.h"
#include "lib/net/stream.h"

enum { BIG = 4 << 20 };

static struct loop *loop;

/* A stream and the other end of its connection, a bare non-blocking descriptor. */
struct pair {
	struct stream stream;
	int peer;
	unsigned nwakes;
	bool closes_on_wake;
};

static struct pair pair;

static void wake(void *owner)
{
	struct pair *woken = owner;

	woken->nwakes++;
	if (woken->closes_on_wake)
		stream_close(&woken->stream);
}

static int open_listener(struct addr *addr)
{
	static const struct socket_options options = {.backlog = 5};
	socklen_t len = sizeof(addr->as);
	int fd = -1;

	assert_true(addr_parse(STR("127.0.0.1"), 0, addr));
	assert_int_equal(socket_listen(addr, &options, &fd, NULL), ERR_OK);
	assert_int_equal(getsockname(fd, &addr->as.any, &len), 0);
	return fd;
}

static int set_up(void **state)
{
	struct addr addr;
	int listener = open_listener(&addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(connect(fd, &addr.as.any, addr_len(&addr)), 0);
	pair = (struct pair){.peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)};
	close(listener);
	loop = loop_create(4096, NULL);
	assert_non_null(loop);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	stream_open_tcp(&pair.stream, loop, fd, wake, &pair);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream_close(&pair.stream);
	if (pair.peer >= 0)
		close(pair.peer);
	loop_destroy(loop);
	return 0;
}

static void stop(struct timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void stop_task(struct loop_task *task)
{
	(void)task;
	loop_stop(loop);
}

/* One turn of the loop, with what is there by now. */
static void one_turn(void)
{
	struct loop_task task = {.run = stop_task};

	loop_defer(loop, &task);
	loop_run(loop);
}

static void run_for(int64_t ms)
{
	struct timer timer;

	timer_init(&timer, stop);
	timer_set(loop, &timer, loop_now_ms(loop) + ms);
	loop_run(loop);
}

/* Turns until a wake that has not come yet; fails after some seconds. */
static void await_wake(unsigned nwakes)
{
	for (int i = 0; i < 100 && pair.nwakes <= nwakes; i++)
		run_for(1);
	assert_true(pair.nwakes > nwakes);
}

static ssize_t read_text(char *into, size_t size)
{
	memset(into, 0, size);
	return stream_read(&pair.stream, into, size - 1);
}

static void peer_sends(const char *text)
{
	assert_int_equal(write(pair.peer, text, strlen(text)), strlen(text));
}

static void a_read_waits_for_bytes_and_ends_with_the_peer(void **state)
{
	char text[100];

	(void)state;
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	one_turn();
	assert_int_equal(pair.nwakes, 0);
	peer_sends("hello");
	await_wake(0);
	assert_int_equal(read_text(text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	assert_false(stream_has_ended(&pair.stream));

	peer_sends("bye");
	shutdown(pair.peer, SHUT_WR);
	await_wake(1);
	assert_true(stream_has_ended(&pair.stream));
	assert_false(stream_has_hung_up(&pair.stream));
	assert_int_equal(read_text(text, sizeof(text)), 3);
	assert_int_equal(read_text(text, sizeof(text)), 0);
	assert_int_equal(read_text(text, sizeof(text)), 0);
}

/* What came before the descriptor was registered is told when it is. */
static void bytes_and_the_end_that_came_early_are_not_missed(void **state)
{
	char text[100];

	(void)state;
	peer_sends("early");
	shutdown(pair.peer, SHUT_WR);
	assert_int_equal(read_text(text, sizeof(text)), 5);
	assert_false(pair.stream.watch_.is_watched_);
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	await_wake(0);
	assert_int_equal(read_text(text, sizeof(text)), 0);
}

static void a_read_that_filled_its_space_may_be_repeated_at_once(void **state)
{
	char two[2];

	(void)state;
	assert_int_equal(stream_read(&pair.stream, two, 2), STREAM_WAIT);
	peer_sends("abc");
	await_wake(0);
	assert_int_equal(stream_read(&pair.stream, two, 2), 2);
	assert_int_equal(stream_read(&pair.stream, two, 2), 1);
	assert_int_equal(stream_read(&pair.stream, two, 2), STREAM_WAIT);
}

static void a_reset_is_an_error_and_a_hang_up(void **state)
{
	const struct linger at_once = {.l_onoff = 1};
	char text[10];

	(void)state;
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(pair.peer);
	pair.peer = -1;
	await_wake(0);
	assert_true(stream_has_hung_up(&pair.stream));
	assert_int_equal(read_text(text, sizeof(text)), -ECONNRESET);
}

static void stream_reset_resets(void **state)
{
	char byte;

	(void)state;
	stream_reset(&pair.stream);
	stream_reset(&pair.stream);
	assert_int_equal(read(pair.peer, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void pieces_are_sent_in_order_at_once(void **state)
{
	struct iovec iov[] = {{"one ", 4}, {"", 0}, {"two", 3}};
	char text[10] = "";

	(void)state;
	assert_int_equal(stream_writev(&pair.stream, iov, 3), 7);
	assert_false(stream_is_writing(&pair.stream));
	assert_false(pair.stream.watch_.is_watched_);
	assert_int_equal(read(pair.peer, text, sizeof(text)), 7);
	assert_string_equal(text, "one two");
	stream_shutdown_write(&pair.stream);
	assert_int_equal(read(pair.peer, text, sizeof(text)), 0);
}

/* Reads at the peer, some at a time, and compares with the pattern. */
static size_t drain_peer(size_t from, size_t most)
{
	static unsigned char bytes[65536];
	size_t n = 0;

	while (n < most) {
		ssize_t got = read(pair.peer, bytes, sizeof(bytes));

		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got; i++, n++)
			if (bytes[i] != (unsigned char)((from + n) % 251))
				fail_msg("byte %zu differs", from + n);
	}
	return n;
}

static unsigned char *pattern(void)
{
	unsigned char *bytes = malloc(BIG);

	assert_non_null(bytes);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (unsigned char)(i % 251);
	return bytes;
}

/* Cuts bytes into pieces of uneven sizes. */
static void cut(unsigned char *bytes, struct iovec iov[STREAM_MAX_IOV])
{
	size_t at = 0;

	for (int i = 0; i < STREAM_MAX_IOV; i++) {
		size_t len = i == STREAM_MAX_IOV - 1 ? BIG - at : (size_t)i * 12345;

		iov[i] = (struct iovec){bytes + at, len};
		at += len;
	}
}

static void a_slow_reader_gets_all_of_a_big_write(void **state)
{
	unsigned char *bytes = pattern();
	struct iovec iov[STREAM_MAX_IOV];
	size_t got = 0, unsent;

	(void)state;
	cut(bytes, iov);
	assert_int_equal(stream_writev(&pair.stream, iov, STREAM_MAX_IOV), STREAM_WAIT);
	memset(iov, 0, sizeof(iov)); /* it was copied */
	assert_true(stream_is_writing(&pair.stream));
	unsent = stream_unsent(&pair.stream);
	assert_in_range(unsent, 1, BIG - 1);
	while (pair.nwakes == 0) {
		size_t n = drain_peer(got, 100000);

		got += n;
		if (n == 0)
			run_for(1);
		one_turn();
		assert_true(stream_unsent(&pair.stream) <= unsent);
		unsent = stream_unsent(&pair.stream);
		if (unsent > 0)
			assert_int_equal(stream_writev(&pair.stream, NULL, 0), STREAM_WAIT);
	}
	assert_int_equal(pair.nwakes, 1);
	assert_true(stream_is_writing(&pair.stream));
	assert_int_equal(stream_writev(&pair.stream, NULL, 0), BIG);
	assert_false(stream_is_writing(&pair.stream));
	assert_int_equal(stream_writev(&pair.stream, NULL, 0), 0);
	stream_shutdown_write(&pair.stream);
	for (int i = 0; i < 100 && got < BIG; i++) {
		got += drain_peer(got, BIG);
		run_for(1);
	}
	assert_int_equal(got, BIG);
	free(bytes);
}

static void a_write_that_waits_fails_when_the_peer_goes(void **state)
{
	unsigned char *bytes = pattern();
	struct iovec iov[STREAM_MAX_IOV];

	(void)state;
	cut(bytes, iov);
	assert_int_equal(stream_writev(&pair.stream, iov, STREAM_MAX_IOV), STREAM_WAIT);
	close(pair.peer); /* with bytes unread: a reset */
	pair.peer = -1;
	await_wake(0);
	assert_true(stream_writev(&pair.stream, NULL, 0) < 0);
	assert_int_equal(stream_writev(&pair.stream, iov, STREAM_MAX_IOV), -EPIPE);
	free(bytes);
}

static void several_completions_give_one_wake(void **state)
{
	unsigned char *bytes = pattern();
	struct iovec iov[STREAM_MAX_IOV];
	char text[10];

	(void)state;
	cut(bytes, iov);
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	assert_int_equal(stream_writev(&pair.stream, iov, STREAM_MAX_IOV), STREAM_WAIT);
	one_turn();
	assert_int_equal(pair.nwakes, 0);
	close(pair.peer);
	pair.peer = -1;
	await_wake(0);
	run_for(1);
	assert_int_equal(pair.nwakes, 1);
	assert_true(stream_writev(&pair.stream, NULL, 0) < 0);
	assert_true(read_text(text, sizeof(text)) <= 0);
	free(bytes);
}

static void a_wake_may_close_its_own_stream(void **state)
{
	unsigned char *bytes = pattern();
	struct iovec iov[STREAM_MAX_IOV];

	(void)state;
	cut(bytes, iov);
	assert_int_equal(stream_writev(&pair.stream, iov, STREAM_MAX_IOV), STREAM_WAIT);
	pair.closes_on_wake = true;
	peer_sends("x");
	await_wake(0);
	stream_close(&pair.stream);
	assert_int_equal(stream_fd(&pair.stream), -1);
	run_for(1);
	assert_int_equal(pair.nwakes, 1);
	free(bytes);
}

static void an_idle_stream_is_stale_once_the_peer_acts(void **state)
{
	(void)state;
	assert_false(stream_is_stale(&pair.stream));
	peer_sends("x");
	run_for(1);
	assert_true(stream_is_stale(&pair.stream));
}

/* Only what has been read until it was empty, and is watched since, can be known to be quiet. */
static void a_stream_was_quiet_until_the_loop_hears_of_it(void **state)
{
	char byte;

	(void)state;
	assert_false(stream_was_quiet(&pair.stream));
	assert_int_equal(stream_read(&pair.stream, &byte, 1), STREAM_WAIT);
	run_for(1);
	assert_true(stream_was_quiet(&pair.stream));
	peer_sends("x");
	assert_true(stream_is_stale(&pair.stream)); /* the system knows already */
	assert_true(stream_was_quiet(&pair.stream));
	await_wake(0);
	assert_false(stream_was_quiet(&pair.stream));
}

static void an_idle_stream_is_stale_once_the_peer_closes(void **state)
{
	(void)state;
	stream_watch(&pair.stream);
	run_for(1);
	assert_int_equal(pair.nwakes, 0);
	assert_false(stream_is_stale(&pair.stream));
	close(pair.peer);
	pair.peer = -1;
	await_wake(0);
	assert_true(stream_is_stale(&pair.stream));
	assert_true(stream_has_ended(&pair.stream));
}

static void wakes_go_to_the_new_owner(void **state)
{
	struct pair other = {0};

	(void)state;
	stream_watch(&pair.stream);
	stream_set_owner(&pair.stream, wake, &other);
	peer_sends("x");
	for (int i = 0; i < 100 && other.nwakes == 0; i++)
		run_for(1);
	assert_int_equal(other.nwakes, 1);
	assert_int_equal(pair.nwakes, 0);
}

static int await_connect(const struct addr *addr, const struct addr *local)
{
	int result;

	stream_close(&pair.stream);
	result = stream_connect_tcp(&pair.stream, loop, addr,
				    &(struct stream_connect_options){.local = local}, wake, &pair);
	if (result != 0)
		return result;
	for (int i = 0; i < 100; i++) {
		result = stream_connect_result(&pair.stream);
		if (result != STREAM_WAIT)
			break;
		run_for(1);
	}
	return result;
}

static void connecting_reaches_a_listener(void **state)
{
	struct iovec iov = {"hi", 2};
	struct addr addr, local, seen;
	socklen_t len = sizeof(seen.as);
	char text[10];
	int listener = open_listener(&addr), fd;

	(void)state;
	assert_true(addr_parse(STR("127.0.0.5"), 0, &local));
	assert_int_equal(await_connect(&addr, &local), 0);
	fd = accept4(listener, &seen.as.any, &len, 0);
	assert_true(addr_eq_ip(&seen, &local));
	assert_int_equal(stream_writev(&pair.stream, &iov, 1), 2);
	assert_int_equal(read(fd, text, sizeof(text)), 2);
	assert_int_equal(read_text(text, sizeof(text)), STREAM_WAIT);
	assert_int_equal(write(fd, "yes", 3), 3);
	await_wake(pair.nwakes);
	assert_int_equal(read_text(text, sizeof(text)), 3);
	close(fd);
	close(listener);
}

static void connecting_tells_why_it_failed(void **state)
{
	struct addr addr, foreign;
	int listener = open_listener(&addr);

	(void)state;
	close(listener);
	assert_int_equal(await_connect(&addr, NULL), -ECONNREFUSED);
	assert_true(addr_parse(STR("192.0.2.77"), 0, &foreign));
	assert_int_equal(await_connect(&addr, &foreign), -EADDRNOTAVAIL);
	assert_null(pair.stream.ops);
}

/* What a connection that idles costs. */
static void a_stream_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct stream) <= 80);
	assert_true(sizeof(struct timer) <= 40);
	assert_true(sizeof(struct loop_fd) <= 16);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* The first HEAD_BYTES from memory, the rest from a file, of which an unread part comes first. */
static void a_slow_reader_gets_the_pieces_and_then_the_file(void **state)
{
	enum { HEAD_BYTES = 1000, SKIPPED = 77 };
	unsigned char *bytes = pattern();
	const struct iovec head[] = {{bytes, 300}, {bytes + 300, HEAD_BYTES - 300}};
	struct stream_file file = {memfd_create("test", 0), SKIPPED, BIG - HEAD_BYTES};
	size_t got = 0;

	(void)state;
	assert_true(stream_can_send_file(&pair.stream));
	assert_int_equal(pwrite(file.fd, bytes + HEAD_BYTES, file.len, SKIPPED), file.len);
	assert_int_equal(stream_send_file(&pair.stream, head, 2, &file), STREAM_WAIT);
	while (pair.nwakes == 0) {
		got += drain_peer(got, 100000);
		run_for(1);
	}
	assert_int_equal(stream_writev(&pair.stream, NULL, 0), BIG);
	for (int i = 0; i < 100 && got < BIG; i++) {
		got += drain_peer(got, BIG);
		run_for(1);
	}
	assert_int_equal(got, BIG);
	close(file.fd);
	free(bytes);
}

static void a_file_shorter_than_said_is_an_error(void **state)
{
	const struct stream_file file = {memfd_create("test", 0), 0, 5};

	(void)state;
	assert_int_equal(stream_send_file(&pair.stream, NULL, 0, &file), -EIO);
	close(file.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_waits_for_bytes_and_ends_with_the_peer),
		TEST(bytes_and_the_end_that_came_early_are_not_missed),
		TEST(a_read_that_filled_its_space_may_be_repeated_at_once),
		TEST(a_reset_is_an_error_and_a_hang_up),
		TEST(stream_reset_resets),
		TEST(pieces_are_sent_in_order_at_once),
		TEST(a_slow_reader_gets_all_of_a_big_write),
		TEST(a_slow_reader_gets_the_pieces_and_then_the_file),
		TEST(a_file_shorter_than_said_is_an_error),
		TEST(a_write_that_waits_fails_when_the_peer_goes),
		TEST(several_completions_give_one_wake),
		TEST(a_wake_may_close_its_own_stream),
		TEST(an_idle_stream_is_stale_once_the_peer_acts),
		TEST(a_stream_was_quiet_until_the_loop_hears_of_it),
		TEST(an_idle_stream_is_stale_once_the_peer_closes),
		TEST(wakes_go_to_the_new_owner),
		TEST(connecting_reaches_a_listener),
		TEST(connecting_tells_why_it_failed),
		TEST(a_stream_is_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

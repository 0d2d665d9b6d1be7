/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "proxy/process/channel.h"

struct rig {
	int ends[2];
	struct channel_message message;
};

static int init(void **state)
{
	static struct rig rig;

	*state = &rig;
	return channel_pair(rig.ends) ? 0 : -1;
}

static int fini(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++)
		if (rig->ends[i] >= 0)
			close(rig->ends[i]);
	return 0;
}

static void close_end(struct rig *rig, int i)
{
	close(rig->ends[i]);
	rig->ends[i] = -1;
}

static void messages_stay_apart_and_in_order(void **state)
{
	struct rig *rig = *state;

	assert_true(channel_send(rig->ends[0], CHANNEL_LISTEN, 1, "80", NULL, 0));
	assert_true(channel_send(rig->ends[0], CHANNEL_SYNC, 0, NULL, NULL, 0));
	assert_true(channel_send(rig->ends[1], CHANNEL_READY, -7, "", NULL, 0));
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(rig->message.kind, CHANNEL_LISTEN);
	assert_int_equal(rig->message.value, 1);
	assert_string_equal(rig->message.text, "80");
	assert_int_equal(rig->message.nfds, 0);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(rig->message.kind, CHANNEL_SYNC);
	assert_string_equal(rig->message.text, "");
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 0);
	assert_int_equal(channel_receive(rig->ends[0], &rig->message), 1);
	assert_int_equal(rig->message.value, -7);
}

static void descriptors_go_with_their_message(void **state)
{
	struct rig *rig = *state;
	int pipes[2][2], out[2];
	char bytes[2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
		out[i] = pipes[i][1];
	}
	assert_true(channel_send(rig->ends[0], CHANNEL_LISTEN, 0, "80", out, 2));
	close(out[0]);
	close(out[1]);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(rig->message.nfds, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(rig->message.fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(write(rig->message.fds[i], i == 0 ? "a" : "b", 1), 1);
		assert_int_equal(read(pipes[i][0], &bytes[i], 1), 1);
		close(rig->message.fds[i]);
		close(pipes[i][0]);
	}
	assert_memory_equal(bytes, "ab", 2);
}

static void as_many_sockets_as_workers_fit_into_one(void **state)
{
	struct rig *rig = *state;
	int fds[CHANNEL_MAX_FDS];

	for (int i = 0; i < CHANNEL_MAX_FDS; i++)
		fds[i] = rig->ends[0];
	assert_true(channel_send(rig->ends[0], CHANNEL_LISTEN, 0, "80", fds, CHANNEL_MAX_FDS));
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(rig->message.nfds, CHANNEL_MAX_FDS);
	for (unsigned i = 0; i < rig->message.nfds; i++)
		close(rig->message.fds[i]);
}

static void a_text_is_cut_at_its_bound(void **state)
{
	static char text[CHANNEL_MAX_TEXT + 100];
	struct rig *rig = *state;

	memset(text, 'x', sizeof(text) - 1);
	assert_true(channel_send(rig->ends[0], CHANNEL_UNLISTEN, 0, text, NULL, 0));
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(strlen(rig->message.text), CHANNEL_MAX_TEXT);
}

static void the_end_of_the_other_side_is_heard_behind_what_it_said(void **state)
{
	struct rig *rig = *state;

	assert_true(channel_send(rig->ends[0], CHANNEL_STOP, 0, NULL, NULL, 0));
	close_end(rig, 0);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_int_equal(rig->message.kind, CHANNEL_STOP);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), -1);
	assert_false(channel_send(rig->ends[1], CHANNEL_READY, 0, NULL, NULL, 0));
}

static void what_is_no_message_ends_the_channel(void **state)
{
	struct rig *rig = *state;
	char bytes[64];

	assert_int_equal(send(rig->ends[0], "x", 1, 0), 1);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), -1);
	memset(bytes, 0xff, sizeof(bytes)); /* of a kind that there is not */
	assert_int_equal(send(rig->ends[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), -1);
}

/* A log that nobody takes may not hold up the parent. */
static void lines_of_the_log_are_dropped_when_nobody_reads(void **state)
{
	static char text[8192];
	struct rig *rig = *state;
	int64_t start_ms = clock_mono_ms();
	int nsent = 0;

	memset(text, 'x', sizeof(text) - 1);
	while (nsent < 100000 && channel_send(rig->ends[0], CHANNEL_LOG, 1, text, NULL, 0))
		nsent++;
	assert_in_range(nsent, 1, 99999);
	assert_true(clock_mono_ms() - start_ms < 4000);
	assert_int_equal(channel_receive(rig->ends[1], &rig->message), 1);
	assert_string_equal(rig->message.text, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_stay_apart_and_in_order, init, fini),
		cmocka_unit_test_setup_teardown(descriptors_go_with_their_message, init, fini),
		cmocka_unit_test_setup_teardown(as_many_sockets_as_workers_fit_into_one, init,
	                                        fini),
		cmocka_unit_test_setup_teardown(a_text_is_cut_at_its_bound, init, fini),
		cmocka_unit_test_setup_teardown(
			the_end_of_the_other_side_is_heard_behind_what_it_said, init, fini),
		cmocka_unit_test_setup_teardown(what_is_no_message_ends_the_channel, init, fini),
		cmocka_unit_test_setup_teardown(lines_of_the_log_are_dropped_when_nobody_reads,
	                                        init, fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/net/tls_gate.h"

enum { HANDSHAKES = 50, ENOUGH_TURNS = 1000 };

/* Many handshakes, and somebody else on the same loop who wants a moment in each turn. */
struct rig {
	struct loop *loop;
	struct tls_gate gate;
	struct loop_task other;
	unsigned nturns, ndone, done_in_turn, most_in_turn;
	struct tls_pass handshakes[HANDSHAKES];
};

static void other_runs(struct loop_task *task)
{
	struct rig *rig = CONTAINER(task, struct rig, other);

	rig->nturns++;
	if (rig->done_in_turn > rig->most_in_turn)
		rig->most_in_turn = rig->done_in_turn;
	rig->done_in_turn = 0;
	if (rig->ndone == HANDSHAKES || rig->nturns == ENOUGH_TURNS)
		loop_stop(rig->loop);
	else
		loop_defer(rig->loop, task);
}

static void try_to_pass(struct rig *rig, struct tls_pass *pass)
{
	if (!tls_gate_enter(&rig->gate, pass))
		return;
	rig->ndone++;
	rig->done_in_turn++;
}

static struct rig *rig;

static void go(struct tls_pass *pass)
{
	try_to_pass(rig, pass);
}

static void init(struct rig *made)
{
	*made = (struct rig){.loop = loop_create(4096, NULL), .other = {.run = other_runs}};
	assert_non_null(made->loop);
	tls_gate_init(&made->gate, made->loop);
	for (unsigned i = 0; i < HANDSHAKES; i++)
		tls_pass_init(&made->handshakes[i], go);
	rig = made;
}

static void fini(struct rig *made)
{
	for (unsigned i = 0; i < HANDSHAKES; i++)
		tls_pass_fini(&made->handshakes[i]);
	tls_gate_fini(&made->gate);
	loop_task_cancel(&made->other);
	loop_destroy(made->loop);
}

static void a_few_pass_in_each_turn_and_all_in_the_end(void **state)
{
	struct rig made;

	(void)state;
	init(&made);
	loop_defer(made.loop, &made.other);
	for (unsigned i = 0; i < HANDSHAKES; i++)
		try_to_pass(&made, &made.handshakes[i]);
	loop_run(made.loop);
	assert_int_equal(made.ndone, HANDSHAKES);
	assert_true(made.nturns >= HANDSHAKES / 8);
	assert_true(made.most_in_turn <= 8);
	fini(&made);
}

static void who_gave_up_is_not_asked_again(void **state)
{
	struct rig made;

	(void)state;
	init(&made);
	for (unsigned i = 0; i < HANDSHAKES; i++)
		try_to_pass(&made, &made.handshakes[i]);
	for (unsigned i = HANDSHAKES / 2; i < HANDSHAKES; i++)
		tls_pass_fini(&made.handshakes[i]);
	made.nturns = ENOUGH_TURNS - HANDSHAKES;
	loop_defer(made.loop, &made.other);
	loop_run(made.loop);
	assert_int_equal(made.ndone, HANDSHAKES / 2);
	fini(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_pass_in_each_turn_and_all_in_the_end),
		cmocka_unit_test(who_gave_up_is_not_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

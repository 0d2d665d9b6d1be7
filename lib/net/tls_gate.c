/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls_gate.h"

#include "lib/base/check.h"

enum { STEPS_A_TURN = 4 };

static void run_turn(struct loop_task *task)
{
	struct tls_gate *gate = CONTAINER(task, struct tls_gate, task_);
	bool was_idle = gate->left_ == STEPS_A_TURN;
	struct list *node;

	gate->left_ = STEPS_A_TURN;
	while (gate->left_ > 0 && (node = list_pop_front(&gate->waiting_))) {
		struct tls_pass *pass = CONTAINER(node, struct tls_pass, node_);

		gate->left_--;
		pass->is_granted_ = true;
		pass->go(pass);
	}
	if (!was_idle || gate->left_ < STEPS_A_TURN)
		loop_defer(gate->loop, task);
}

void tls_gate_init(struct tls_gate *gate, struct loop *loop)
{
	*gate = (struct tls_gate){
		.loop = loop,
		.task_ = {.run = run_turn},
		.left_ = STEPS_A_TURN,
	};
	list_init(&gate->waiting_);
}

void tls_gate_fini(struct tls_gate *gate)
{
	check(list_is_empty(&gate->waiting_));
	loop_task_cancel(&gate->task_);
}

void tls_pass_init(struct tls_pass *pass, void (*go)(struct tls_pass *pass))
{
	list_init(&pass->node_);
	pass->is_granted_ = false;
	pass->go = go;
}

void tls_pass_fini(struct tls_pass *pass)
{
	list_remove(&pass->node_);
}

bool tls_gate_enter(struct tls_gate *gate, struct tls_pass *pass)
{
	if (pass->is_granted_) {
		pass->is_granted_ = false;
		return true;
	}
	loop_defer(gate->loop, &gate->task_);
	if (gate->left_ > 0 && list_is_empty(&gate->waiting_)) {
		gate->left_--;
		return true;
	}
	if (list_is_empty(&pass->node_))
		list_push_back(&gate->waiting_, &pass->node_);
	return false;
}

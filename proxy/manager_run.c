/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/heap.h"
#include "proxy/manager_page.h"
#include "proxy/serve.h"
#include "proxy/tally.h"

struct manager_run {
	const struct manager_action *action;
	struct manager_page page;
	struct loop_task task;       /* calls ready */
	struct tally_request *asked; /* under way */
	struct tally tally;
	bool is_cut;
	void (*ready)(void *owner);
	void *owner;
};

static void tell(struct loop_task *task)
{
	struct manager_run *run = CONTAINER(task, struct manager_run, task);

	run->ready(run->owner);
}

static void have_tally(void *owner, const struct tally *tally)
{
	struct manager_run *run = owner;

	run->asked = NULL;
	run->tally = *tally;
	run->page.tally = &run->tally;
	run->ready(run->owner);
}

struct manager_run *manager_run_create(const struct manager_action *action, struct serve *serve,
				       struct loop *loop, void (*ready)(void *owner), void *owner)
{
	struct manager_run *run = mem_zalloc(sizeof(*run));

	run->action = action;
	run->ready = ready;
	run->owner = owner;
	run->task.run = tell;
	run->page.serve = serve;
	run->page.server = serve_server(serve);
	run->is_cut = serve_is_stopping(serve);
	if (action->asks_workers && !run->is_cut)
		run->asked = tally_ask(run->page.server, loop, have_tally, run);
	else
		loop_defer(loop, &run->task);
	return run;
}

void manager_run_destroy(struct manager_run *run)
{
	if (!run)
		return;
	tally_cancel(run->asked);
	loop_task_cancel(&run->task);
	if (run->page.free_state)
		run->page.free_state(run->page.state);
	mem_free(run);
}

enum manager_verdict manager_run_step(struct manager_run *run, struct buf *out)
{
	if (run->is_cut)
		return MANAGER_CUT;
	if (run->asked)
		return MANAGER_WAIT;
	run->page.config = serve_config(run->page.serve);
	run->page.out = out;
	return run->action->write(&run->page) ? MANAGER_MORE : MANAGER_END;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A page's parts come in this order: what the workers counted, what they gather, what the action
 * writes, what the workers add. */
#include "lib/base/heap.h"
#include "proxy/manager/manager_page.h"
#include "proxy/manager/tally.h"
#include "proxy/serve.h"
#include "squid-compat/config.h"

enum part { PART_TALLY, PART_GATHER, PART_WRITE, PART_SURVEY, PART_END };

struct manager_run {
	const struct manager_action *action;
	struct manager_page page;
	struct config *config; /* a reference: that of the beginning, to the end */
	struct loop *loop;
	struct loop_task task; /* calls ready */
	enum part part;
	bool is_waiting; /* for workers */
	struct tally_request *asked;
	struct survey *survey;
	struct tally tally;
	struct buf gathered;
	void (*ready)(void *owner);
	void *owner;
};

static void tell(struct loop_task *task)
{
	struct manager_run *run = CONTAINER(task, struct manager_run, task);

	run->ready(run->owner);
}

struct manager_run *manager_run_create(const struct manager_action *action, struct serve *serve,
                                       const struct manager_question *question, struct loop *loop,
                                       void (*ready)(void *owner), void *owner)
{
	struct manager_run *run = mem_zalloc(sizeof(*run));

	run->action = action;
	run->loop = loop;
	run->ready = ready;
	run->owner = owner;
	run->task.run = tell;
	run->page.serve = serve;
	run->page.loop = loop;
	if (question)
		run->page.question = *question;
	run->page.server = serve_server(serve);
	run->page.config = run->config = serve_config_ref(serve);
	run->page.gathered = &run->gathered;
	buf_init(&run->gathered, MANAGER_GATHER_BYTES);
	loop_defer(loop, &run->task);
	return run;
}

void manager_run_destroy(struct manager_run *run)
{
	if (!run)
		return;
	tally_cancel(run->asked);
	survey_destroy(run->survey);
	loop_task_cancel(&run->task);
	if (run->page.free_state)
		run->page.free_state(run->page.state);
	config_unref(run->config);
	buf_fini(&run->gathered);
	mem_free(run);
}

/* ---- asking workers */

static void have_tally(void *owner, const struct tally *tally)
{
	struct manager_run *run = owner;

	run->asked = NULL;
	run->is_waiting = false;
	run->tally = *tally;
	run->page.tally = &run->tally;
	run->part++;
	run->ready(run->owner);
}

static enum manager_verdict ask_tally(struct manager_run *run)
{
	run->is_waiting = true;
	run->asked = tally_ask(run->page.server, run->loop, have_tally, run);
	return MANAGER_WAIT;
}

static void have_piece(void *owner)
{
	struct manager_run *run = owner;

	run->is_waiting = false;
	run->ready(run->owner);
}

/* Begins a survey, or takes what it brought. */
static enum manager_verdict step_survey(struct manager_run *run, struct buf *out)
{
	if (!run->survey) {
		run->is_waiting = true;
		run->survey = survey_create(run->page.server, run->loop, run->action->survey,
					    have_piece, run);
		return MANAGER_WAIT;
	}
	run->is_waiting = survey_take(run->survey, out);
	if (run->is_waiting)
		return MANAGER_WAIT;
	run->part++;
	return MANAGER_MORE;
}

/* ---- steps */

static bool has_part(const struct manager_run *run)
{
	const struct manager_action *action = run->action;

	switch (run->part) {
	case PART_TALLY:
		return action->asks_workers;
	case PART_GATHER:
		return action->survey && action->gathers;
	case PART_WRITE:
		return action->write != NULL;
	case PART_SURVEY:
		return action->survey && !action->gathers;
	case PART_END:
		break;
	}
	return true;
}

static enum manager_verdict write_some(struct manager_run *run, struct buf *out)
{
	run->page.out = out;
	if (!run->action->write(&run->page))
		run->part++;
	return MANAGER_MORE;
}

enum manager_verdict manager_run_step(struct manager_run *run, struct buf *out)
{
	if (run->is_waiting)
		return MANAGER_WAIT;
	while (!has_part(run))
		run->part++;
	if (run->part == PART_END)
		return MANAGER_END;
	if (run->part == PART_WRITE)
		return write_some(run, out);
	if (serve_is_stopping(run->page.serve))
		return MANAGER_CUT;
	if (run->part == PART_TALLY)
		return ask_tally(run);
	return step_survey(run, run->part == PART_GATHER ? &run->gathered : out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/pool_runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/clock.h"

enum { DEADLINE_MS = 20000 };

static void on_gone(void *arg)
{
	struct runner *runner = arg;

	runner->is_gone = true;
	runner->pool = NULL;
	loop_stop(runner->loop);
}

static void on_deadline(struct timer *timer)
{
	struct runner *runner = CONTAINER(timer, struct runner, deadline);

	runner->is_late = true;
	loop_stop(runner->loop);
}

/* A step is run by mail, since the loop knows its thread only while it runs. */
struct step_mail {
	struct mail mail;
	struct runner *runner;
};

static void deliver_step(struct mail *mail)
{
	struct runner *runner = CONTAINER(mail, struct step_mail, mail)->runner;

	runner->step(runner);
}

static void run_for(struct runner *runner, int64_t ms)
{
	runner->is_late = false;
	timer_set(runner->loop, &runner->deadline, clock_mono_ms() + ms);
	loop_run(runner->loop);
	timer_cancel(&runner->deadline);
}

void runner_do(struct runner *runner, void (*step)(struct runner *runner))
{
	struct step_mail mail = {.mail.deliver = deliver_step, .runner = runner};

	runner->step = step;
	loop_post(runner->loop, &mail.mail);
	loop_stop(runner->loop);
	loop_run(runner->loop);
}

void runner_init(struct runner *runner, const char *const *argv)
{
	struct err_text why;

	*runner = (struct runner){
		.config = {.kind = "redirector",
	                   .argv = argv,
	                   .max = 1,
	                   .queue_size = 100,
	                   .timeout_ms = 10000,
	                   .grace_ms = 100,
	                   .gone = on_gone,
	                   .gone_arg = runner},
	};
	runner->loop = loop_create(65536, &why);
	assert_non_null(runner->loop);
	timer_init(&runner->deadline, on_deadline);
}

static void start_step(struct runner *runner)
{
	runner->pool = helper_pool_create(runner->loop, &runner->config);
}

void runner_start(struct runner *runner)
{
	runner_do(runner, start_step);
}

static void on_done(struct helper_request *request)
{
	struct runner_question *question = CONTAINER(request, struct runner_question, request);
	struct runner *runner = question->runner;

	question->place = ++runner->ndone;
	if (runner->ndone == runner->nasked)
		loop_stop(runner->loop);
}

static const char *question_text;

static void ask_step(struct runner *runner)
{
	struct runner_question *question = &runner->questions[runner->nasked++];

	question->runner = runner;
	question->request.loop = runner->loop;
	question->request.done = on_done;
	helper_pool_ask(runner->pool, &question->request, str_of(question_text));
}

void runner_ask(struct runner *runner, const char *text)
{
	assert_true(runner->nasked < RUNNER_MAX);
	question_text = text;
	runner_do(runner, ask_step);
}

void runner_wait(struct runner *runner)
{
	if (runner->ndone < runner->nasked)
		run_for(runner, DEADLINE_MS);
	if (runner->ndone < runner->nasked)
		fail_msg("only %u of %u questions are answered", runner->ndone, runner->nasked);
}

void runner_idle(struct runner *runner, int64_t ms)
{
	run_for(runner, ms);
}

const struct helper_reply *runner_reply(const struct runner *runner, unsigned question)
{
	assert_non_null(runner->questions[question].request.reply);
	return runner->questions[question].request.reply;
}

void runner_expect(const struct runner *runner, unsigned question, enum helper_code code,
                   const char *rest)
{
	const struct helper_reply *reply = runner_reply(runner, question);

	if (reply->code != code || (rest && !str_eq(reply->rest, str_of(rest))))
		fail_msg("question %u: %s '%.*s'", question, helper_code_name(reply->code),
		         STR_ARG(reply->rest));
}

static void fini_step(struct runner *runner)
{
	for (unsigned i = 0; i < runner->nasked; i++)
		helper_request_fini(&runner->questions[i].request);
	helper_pool_unref(runner->pool);
}

void runner_fini(struct runner *runner)
{
	runner_do(runner, fini_step);
	if (!runner->is_gone)
		run_for(runner, DEADLINE_MS);
	if (!runner->is_gone)
		fail_msg("the pool's children are not gone");
	loop_destroy(runner->loop);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/manager.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/random.h"
#include "proxy/manager/manager_page.h"

enum { SECRET_BYTES = 32, GAP_BYTES = 65536 }; /* of a page, ahead of the client */

struct manager {
	struct serve *serve;
	struct loop *loop;
	struct list answers;
	uint8_t secret[SECRET_BYTES]; /* immutable: of which the tokens of forms are made */
};

/* The worker's until it is posted, then the main thread's. */
struct answer {
	struct mail mail;
	struct list node; /* manager->answers */
	struct manager *manager;
	const struct manager_action *action;
	struct manager_question question;
	char *form, *token; /* behind it */
	struct object *object; /* a reference; this is its producer */
	struct manager_run *run;
	struct loop_task task;
	struct buf out;
};

struct manager *manager_create(struct serve *serve, struct loop *loop)
{
	struct manager *manager = mem_zalloc(sizeof(*manager));

	manager->serve = serve;
	manager->loop = loop;
	list_init(&manager->answers);
	random_fill(manager->secret, sizeof(manager->secret));
	return manager;
}

static void destroy(struct answer *answer)
{
	object_forget_producer(answer->object);
	object_unref(answer->object);
	loop_task_cancel(&answer->task);
	manager_run_destroy(answer->run);
	buf_fini(&answer->out);
	mem_free(answer->form);
	mem_free(answer->token);
	list_remove(&answer->node);
	mem_free(answer);
}

static void give_up(struct answer *answer)
{
	object_abort(answer->object, ECANCELED);
	destroy(answer);
}

void manager_destroy(struct manager *manager)
{
	if (!manager)
		return;
	LIST_EACH_SAFE(node, &manager->answers)
		give_up(CONTAINER(node, struct answer, node));
	mem_free(manager);
}

/* ---- the page goes on */

static void go_on(void *owner)
{
	struct answer *answer = owner;

	loop_defer(answer->manager->loop, &answer->task);
}

static void finish(struct answer *answer)
{
	object_finish(answer->object);
	destroy(answer);
}

static void step(struct loop_task *task)
{
	struct answer *answer = CONTAINER(task, struct answer, task);
	enum manager_verdict verdict;

	if (object_nreaders(answer->object) == 0) {
		give_up(answer);
		return;
	}
	if (!object_may_append(answer->object))
		return; /* woken when it may */
	buf_clear(&answer->out);
	verdict = manager_run_step(answer->run, &answer->out);
	if (answer->out.len > 0)
		object_append(answer->object, buf_str(&answer->out));
	if (verdict == MANAGER_CUT || answer->out.is_full)
		give_up(answer);
	else if (verdict == MANAGER_END)
		finish(answer);
	else if (verdict == MANAGER_MORE)
		go_on(answer);
}

static void take_over(struct mail *mail)
{
	struct answer *answer = CONTAINER(mail, struct answer, mail);
	struct manager *manager = answer->manager;

	list_push_back(&manager->answers, &answer->node);
	answer->run = manager_run_create(answer->action, manager->serve, &answer->question,
					 manager->loop, go_on, answer);
}

/* ---- the worker's side */

static void nothing(void *owner)
{
	(void)owner;
}

static void take_question(struct answer *answer, const struct manager_question *question)
{
	answer->form = str_dup(question->form);
	answer->token = str_dup(question->token);
	answer->question = *question;
	answer->question.form = (struct str){answer->form, question->form.len};
	answer->question.token = str_of(answer->token);
}

char *manager_token(const struct manager *manager, struct str credentials,
		    char out[MANAGER_TOKEN_BYTES])
{
	uint8_t digest[MANAGER_TOKEN_BYTES / 2];

	check(gnutls_hmac_fast(GNUTLS_MAC_SHA256, manager->secret, sizeof(manager->secret),
			       credentials.at ? credentials.at : "", credentials.len, digest) == 0);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return out;
}

struct object *manager_ask(struct manager *manager, const struct manager_action *action,
                           const struct manager_question *question, struct str head,
                           struct object_reader *hold, struct loop *loop)
{
	struct answer *answer = mem_zalloc(sizeof(*answer));
	struct object *object = object_create(manager->loop, go_on, answer, GAP_BYTES);

	answer->manager = manager;
	answer->action = action;
	take_question(answer, question);
	answer->object = object_ref(object);
	answer->task.run = step;
	answer->mail.deliver = take_over;
	list_init(&answer->node);
	buf_init(&answer->out, MANAGER_STEP_BYTES);
	object_set_head(object, &(struct object_head){
					.status = 200, .head = head, .body_bytes = -1});
	object_reader_open(hold, object, 0, loop, nothing, NULL);
	loop_post(manager->loop, &answer->mail);
	return object;
}

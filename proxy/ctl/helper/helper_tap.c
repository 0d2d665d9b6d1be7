/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/helper_tap.h"

#include <string.h>

#include "helpers/line.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"

struct open_question {
	struct list node;
	uint64_t id;                /* 0 without ids */
	int64_t asked_us, began_us; /* since 1970; monotonic */
	size_t len;
	char text[];
};

void tap_init(struct tap *tap, bool has_ids, void (*take)(void *user, const struct tap_pair *pair),
              void *user)
{
	*tap = (struct tap){.has_ids = has_ids, .take = take, .user = user};
	buf_init(&tap->questions.line, TAP_MAX_LINE_BYTES);
	buf_init(&tap->answers.line, TAP_MAX_LINE_BYTES);
	lock_init(&tap->lock);
	list_init(&tap->open);
}

static struct open_question *first_open(struct tap *tap)
{
	struct list *node = list_pop_front(&tap->open);

	if (!node)
		return NULL;
	tap->nopen--;
	tap->open_bytes -= CONTAINER(node, struct open_question, node)->len;
	return CONTAINER(node, struct open_question, node);
}

void tap_fini(struct tap *tap)
{
	struct open_question *question;

	while ((question = first_open(tap)))
		mem_free(question);
	lock_fini(&tap->lock);
	buf_fini(&tap->questions.line);
	buf_fini(&tap->answers.line);
}

/* ---- lines of pieces */

/* Calls take with each line that bytes end. */
static void cut(struct tap *tap, struct tap_side *side, struct str bytes, int64_t now_us,
                void (*take)(struct tap *tap, struct str line, int64_t now_us))
{
	while (bytes.len > 0) {
		size_t n = str_find_char(bytes, '\n');

		if (!side->is_lost && !buf_add(&side->line, bytes.at, n))
			side->is_lost = true;
		if (n == bytes.len)
			return;
		if (!side->is_lost)
			take(tap, buf_str(&side->line), now_us);
		buf_clear(&side->line);
		side->is_lost = false;
		bytes = str_from(bytes, n + 1);
	}
}

/* ---- pairs */

static void open_question(struct tap *tap, struct str line, int64_t now_us)
{
	struct open_question *question, *oldest = NULL;
	uint64_t id = 0;

	if (tap->has_ids && !helper_line_take_id(&line, &id))
		return;
	question = mem_alloc(sizeof(*question) + line.len);
	*question = (struct open_question){
		.id = id, .asked_us = clock_wall_us(), .began_us = now_us, .len = line.len};
	if (line.len > 0)
		memcpy(question->text, line.at, line.len);
	lock_take(&tap->lock);
	if (tap->nopen >= TAP_MAX_OPEN || tap->open_bytes + line.len > TAP_MAX_OPEN_BYTES)
		oldest = first_open(tap);
	list_push_back(&tap->open, &question->node);
	tap->nopen++;
	tap->open_bytes += line.len;
	lock_drop(&tap->lock);
	mem_free(oldest);
}

/* The caller's; NULL: nobody asked. */
static struct open_question *find_open(struct tap *tap, uint64_t id)
{
	struct open_question *found = NULL;
	struct list *node;

	lock_take(&tap->lock);
	for (node = tap->open.next; node != &tap->open && !found; node = node->next) {
		found = CONTAINER(node, struct open_question, node);
		if (found->id != id)
			found = NULL;
	}
	if (found) {
		list_remove(&found->node);
		tap->nopen--;
		tap->open_bytes -= found->len;
	}
	lock_drop(&tap->lock);
	return found;
}

static struct str without_cr(struct str line)
{
	return line.len > 0 && line.at[line.len - 1] == '\r' ? str_first(line, line.len - 1) : line;
}

static void give(struct tap *tap, struct open_question *question, const struct str *answer,
                 int64_t now_us)
{
	const struct tap_pair pair = {
		.question = {question->text, question->len},
		.answer = answer ? *answer : STR(""),
		.has_answer = answer != NULL,
		.asked_us = question->asked_us,
		.latency_us = answer ? now_us - question->began_us : -1,
	};

	tap->take(tap->user, &pair);
	mem_free(question);
}

static void close_question(struct tap *tap, struct str line, int64_t now_us)
{
	struct open_question *question;
	uint64_t id = 0;

	line = without_cr(line);
	if (tap->has_ids && !helper_line_take_id(&line, &id))
		return;
	question = find_open(tap, id);
	if (question)
		give(tap, question, &line, now_us);
}

void tap_questions(struct tap *tap, struct str bytes, int64_t now_us)
{
	cut(tap, &tap->questions, bytes, now_us, open_question);
}

void tap_answers(struct tap *tap, struct str bytes, int64_t now_us)
{
	cut(tap, &tap->answers, bytes, now_us, close_question);
}

void tap_end(struct tap *tap)
{
	for (;;) {
		struct open_question *question;

		lock_take(&tap->lock);
		question = first_open(tap);
		lock_drop(&tap->lock);
		if (!question)
			return;
		give(tap, question, NULL, 0);
	}
}

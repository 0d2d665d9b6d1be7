/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/survey.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/loop.h"
#include "proxy/server.h"
#include "proxy/worker.h"

/* The asking loop's; piece, cursor and has_more are the worker's while the mail is with it. */
struct survey {
	struct mail mail;
	struct server *server;
	struct loop *loop;
	survey_fn *write;
	void (*ready)(void *owner);
	void *owner;
	unsigned next; /* the worker that is asked */
	bool is_away;  /* with it */
	bool is_dropped;
	struct buf piece;
	uint64_t cursor;
	bool has_more;
};

static void free_survey(struct survey *survey)
{
	buf_fini(&survey->piece);
	mem_free(survey);
}

static void come_back(struct mail *mail)
{
	struct survey *survey = CONTAINER(mail, struct survey, mail);

	survey->is_away = false;
	if (survey->is_dropped)
		free_survey(survey);
	else
		survey->ready(survey->owner);
}

/* On the worker's thread. */
static void write_piece(struct mail *mail)
{
	struct survey *survey = CONTAINER(mail, struct survey, mail);
	struct worker *worker = survey->server->workers[survey->next];

	survey->has_more = survey->write(worker, &survey->cursor, &survey->piece);
	survey->mail.deliver = come_back;
	loop_post(survey->loop, &survey->mail);
}

static void ask(struct survey *survey)
{
	survey->is_away = true;
	survey->mail.deliver = write_piece;
	loop_post(survey->server->workers[survey->next]->loop, &survey->mail);
}

struct survey *survey_create(struct server *server, struct loop *loop, survey_fn *write,
			     void (*ready)(void *owner), void *owner)
{
	struct survey *survey = mem_zalloc(sizeof(*survey));

	survey->server = server;
	survey->loop = loop;
	survey->write = write;
	survey->ready = ready;
	survey->owner = owner;
	buf_init(&survey->piece, SURVEY_MAX_BYTES);
	ask(survey);
	return survey;
}

void survey_destroy(struct survey *survey)
{
	if (!survey)
		return;
	survey->is_dropped = true;
	if (!survey->is_away)
		free_survey(survey);
}

bool survey_take(struct survey *survey, struct buf *out)
{
	check(!survey->is_away);
	buf_add_str(out, buf_str(&survey->piece));
	buf_clear(&survey->piece);
	if (!survey->has_more) {
		survey->next++;
		survey->cursor = 0;
	}
	if (survey->next == survey->server->nworkers)
		return false;
	ask(survey);
	return true;
}

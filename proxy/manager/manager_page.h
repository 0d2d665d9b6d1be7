/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/manager_page.h: an action of the cache manager: a row of the table in
 * manager_actions.c, whose page is written bit by bit, so that neither the loop nor memory is held.
 * Squid: cache manager. Labels and shapes are those that scripts read from Squid's.
 *
 * Threads: the main thread's. */
#ifndef PROXY_MANAGER_PAGE_H
#define PROXY_MANAGER_PAGE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "proxy/manager/survey.h"

struct config;
struct loop;
struct serve;
struct server;
struct tally;

enum {
	MANAGER_STEP_BYTES = 256 << 10,   /* what one step may add */
	MANAGER_GATHER_BYTES = 16 << 20, /* what all workers may bring */
};

/* What a client's request said beside the action. A zeroed one: nothing. */
struct manager_question {
	struct str form;     /* the body of a POST: application/x-www-form-urlencoded */
	struct str token;    /* what its forms have to bring: nobody else's page knows it */
	bool may_purge, may_drain;
	bool may_sign_in;    /* a password would help */
};

/* One page in the making. */
struct manager_page {
	struct serve *serve;
	struct server *server;
	const struct config *config; /* the current one when it began */
	const struct tally *tally;   /* of actions that ask for it */
	struct buf *gathered;        /* what the survey of an action that gathers has brought */
	struct buf *out;             /* where text goes */
	struct loop *loop;           /* the main thread's */
	struct manager_question question;
	/* the action's own: zero at first, state freed with the page */
	uint64_t cursor;
	void *state;
	void (*free_state)(void *state);
};

struct manager_action {
	const char *name;
	const char *title; /* in the menu; NULL: a part of another page, not in it */
	const char *guard; /* under which name cachemgr_passwd has it; NULL: its own */
	/* Of the page; NULL: plain text. */
	const char *content_type;
	bool is_post; /* it acts on a form; GET, once allowed, leads to the status page */
	bool needs_password; /* cachemgr_passwd: hidden without one */
	bool asks_workers;   /* for page->tally */
	/* What each worker adds: to the page, behind what write says; or, with gathers, to
	 * page->gathered, before it. NULL: nothing. */
	survey_fn *survey;
	bool gathers;
	/* Adds to page->out, up to MANAGER_STEP_BYTES. True: there is more, call it again. NULL:
	 * nothing beside the survey. */
	bool (*write)(struct manager_page *page);
	/* Is there such a thing in this configuration? NULL: always. */
	bool (*is_there)(const struct config *config);
};

/* NULL: there is none of that name, or not in this configuration. */
const struct manager_action *manager_action_find(const struct config *config, struct str name);

/* ---- a page from its question to its end */

struct manager_run; /* opaque */

enum manager_verdict {
	MANAGER_WAIT, /* ready comes */
	MANAGER_MORE, /* out may have got some; call again */
	MANAGER_END,  /* that was all */
	MANAGER_CUT,  /* the process stops: there will be no more */
};

/* question (NULL: none) is borrowed until the run is destroyed. ready comes from loop, never from
 * within a call, when manager_run_step may be called (again). */
struct manager_run *manager_run_create(const struct manager_action *action, struct serve *serve,
                                       const struct manager_question *question, struct loop *loop,
                                       void (*ready)(void *owner), void *owner);
void manager_run_destroy(struct manager_run *run); /* accepts NULL */

enum manager_verdict manager_run_step(struct manager_run *run, struct buf *out);

#endif

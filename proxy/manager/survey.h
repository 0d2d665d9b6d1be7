/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/survey.h: a report about what workers own, written by one worker after the other on
 * its own thread, a bounded piece at a time, so that none is held.
 *
 * Threads: the asking loop's, but for the survey_fn. */
#ifndef PROXY_SURVEY_H
#define PROXY_SURVEY_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct server;
struct loop;
struct survey; /* opaque */
struct worker;

/* On the worker's thread: adds up to some SURVEY_BYTES to out. *cursor is 0 at first and its own
 * afterwards. True: there is more, it will be called again. */
typedef bool survey_fn(struct worker *worker, uint64_t *cursor, struct buf *out);

enum { SURVEY_BYTES = 128 << 10, SURVEY_MAX_BYTES = 1 << 20 };

/* Asks the first worker. ready comes from loop when survey_take may be called. Ask before
 * server_post_stop. */
struct survey *survey_create(struct server *server, struct loop *loop, survey_fn *write,
			     void (*ready)(void *owner), void *owner);
/* Any time; accepts NULL. What is under way comes back later and is dropped. */
void survey_destroy(struct survey *survey);

/* After ready: appends the piece that came to out. True: ready will come again; false: that was
 * all. */
bool survey_take(struct survey *survey, struct buf *out);

#endif

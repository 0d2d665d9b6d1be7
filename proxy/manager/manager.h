/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/manager.h: answers to /squid-internal-mgr/ACTION. A worker checks whether the
 * client may ask (transaction_manager.c) and hands the question over; the page is written into an
 * object on the main thread, as fast as the client reads, and the worker sends it like any other
 * body. */
#ifndef PROXY_MANAGER_H
#define PROXY_MANAGER_H
#include "lib/base/str.h"

struct loop;
struct manager; /* opaque; the main thread's */
struct manager_action;
struct manager_question;
struct object;
struct object_reader;
struct serve;

/* loop is the main thread's. */
struct manager *manager_create(struct serve *serve, struct loop *loop);
/* After the workers have ended. Accepts NULL. */
void manager_destroy(struct manager *manager);

/* A worker's thread: an object, the caller's reference, with that head ("HTTP/1.1 200 OK\r\n" and
 * fields), into which the action's page is written from now on. hold, a closed reader, is opened at
 * its beginning for loop, the worker's; question is copied; when there is no reader any more, the
 * page is given up. */
struct object *manager_ask(struct manager *manager, const struct manager_action *action,
                           const struct manager_question *question, struct str head,
                           struct object_reader *hold, struct loop *loop);

/* Any thread: the token of forms for a client that gave these credentials (the value of
 * Authorization, or none): what a page of somebody else's cannot know. */
enum { MANAGER_TOKEN_BYTES = 65 };
char *manager_token(const struct manager *manager, struct str credentials,
		    char out[MANAGER_TOKEN_BYTES]);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/transaction.h: one request, from its head to its line in the access log.
 *
 * A session makes one, lets the parser fill its exchange's request and begins it; the transaction
 * says when exchange.reply may be written; the session ends it. The state table in transaction.c is
 * the life of a request on one page.
 *
 * Threads: one worker's. Memory: from the worker's pool, with an arena for what is small. */
#ifndef PROXY_TRANSACTION_H
#define PROXY_TRANSACTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct exchange;
struct snapshot;
struct transaction;
struct worker;

/* Holds no reference to snapshot of its own until it begins: the session does. */
struct transaction *transaction_create(struct worker *worker, struct snapshot *snapshot);
struct exchange *transaction_exchange(struct transaction *transaction);

/* Copies the bytes of the request's head, which the parser has just read, to stay. */
void transaction_keep_head(struct transaction *transaction);

/* A copy that lives as long as the transaction. */
struct str transaction_keep(struct transaction *transaction, struct str text);

/* Memory that lives as long; not zeroed. */
void *transaction_alloc(struct transaction *transaction, size_t size);

/* The request is there. Its reply may be ready when this returns. */
void transaction_begin(struct transaction *transaction);

/* The request cannot be served: an error is the reply, at once. */
struct refusal {
	int status;
	const char *error; /* "ERR_INVALID_REQ" */
	const char *why;   /* one phrase for cache.log at level 2 */
	const char *url;   /* what the access log shows: "error:invalid-request" */
	const struct h1_request_line *line; /* NULL: it was not readable */
	bool keeps_url; /* in the log, though line has a target */
};
void transaction_begin_refused(struct transaction *transaction, const struct refusal *refusal);

bool transaction_has_reply(const struct transaction *transaction);
/* More of the request's body may be there to read. */
void transaction_body_wake(struct transaction *transaction);

/* Logs, and takes back all that the transaction holds. is_complete: the reply went out whole. */
void transaction_end(struct transaction *transaction, bool is_complete);
/* The connection closed within a head of which nbytes had come. */
void transaction_end_without_request(struct transaction *transaction, size_t nbytes);

/* What is told of a request under way. */
struct transaction_view {
	struct str url, user;
	const char *tag; /* TCP_MISS */
	int64_t began_us; /* monotonic */
};
/* false: not begun. The view is valid until the transaction goes on. */
bool transaction_view(const struct exchange *exchange, struct transaction_view *out);

/* Frees a worker's spare transactions. */
void transaction_free_spare(struct worker *worker);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/reply_internal.h: what reply.c (replies as a whole), reply_range.c (parts of
 * one), reply_made.c (those made here) and reply_language.c (of error pages) share. */
#ifndef PROXY_REPLY_INTERNAL_H
#define PROXY_REPLY_INTERNAL_H
#include "cache/range.h"
#include "proxy/transaction/transaction_internal.h"

/* ---- reply.c */
void reply_add_piece(struct reply *reply, struct str piece);
/* Age, Warning, Cache-Status, X-Cache, Via, extra (lines), Content-Length unless length is
 * negative, Transfer-Encoding, Connection and the empty line. */
struct str reply_own_lines(struct transaction *transaction, int status, int64_t length,
                           struct str extra);
struct str reply_x_cache_lines(const struct transaction *transaction);
/* object: whose head they go behind; NULL: one of ours. */
struct str reply_security_lines(const struct transaction *transaction, struct object *object);
/* Connection, and the empty line. Also settles whether the connection goes on. */
struct str reply_connection_line(struct transaction *transaction, int status);
/* A stored head, as this port shows it (act-as-origin). A received Via, which is its last line,
 * loses its CRLF: the own lines, which must come next, go on with ours. */
struct str reply_shown_head(struct transaction *transaction, struct str head);
/* Opens the body's reader at offset. */
void reply_open_reader(struct transaction *transaction, uint64_t offset);
/* All pieces are there: header rules, counts. */
enum transaction_state reply_finish(struct transaction *transaction, int status);

/* ---- reply_made.c */
/* A reply made here without a body, with extra lines. */
enum transaction_state reply_made_empty(struct transaction *transaction, int status,
                                        struct str extra);

/* ---- reply_language.c */
/* What the client's Accept-Language and error_default_language choose; notes a language that there
 * are no pages in (error_log_languages). */
enum error_language reply_page_language(const struct transaction *transaction);

/* ---- reply_range.c: 206 and 416 */
/* False: the request has no Range that counts for this object, or it is not worth it. */
bool reply_plan_range(const struct transaction *transaction, struct range_plan *plan);
enum transaction_state reply_range(struct transaction *transaction, const struct range_plan *plan);
/* transaction->part, of which the object has these bytes. */
enum transaction_state reply_part(struct transaction *transaction);

#endif

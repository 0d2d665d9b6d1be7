/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/transaction_trace.h: what `bobtailctl trace` is told of a request, a line for
 * each thing that was decided:
 *
 *     NUMBER TAB MICROSECONDS TAB STAGE TAB TEXT
 *
 * microseconds since the request's head was read. What came from outside is in TEXT as printable
 * ASCII, other bytes as \xNN.
 *
 * Watches that want summaries get one line, as it ends, of STAGE "done" and TEXT
 *
 *     HOST TAB URL TAB CLIENT TAB PEER TAB RESULT TAB STATUS TAB BYTES
 *
 * Threads: the transaction's worker. A transaction that nobody looks at has trace NULL. */
#ifndef PROXY_TRANSACTION_TRACE_H
#define PROXY_TRANSACTION_TRACE_H
#include "proxy/transaction/transaction_internal.h"

struct fetch_report;

/* As it begins, and somebody is looking. */
void transaction_trace_begin(struct transaction *transaction);

/* A state has run, and named the next. */
void transaction_trace_step(struct transaction *transaction, enum transaction_state next);

/* Of an access list: as access_list_check, and the line that decides is kept for the state's own
 * line. */
enum acl_verdict transaction_trace_access(struct transaction *transaction,
                                          const struct access_list *list,
                                          enum acl_verdict otherwise, struct acl_result *result);

/* A fetch has come to that step: fetch_order.tell. */
void transaction_trace_fetch(void *owner, const char *step, const struct fetch_report *report);

/* The last line; nobody is told any more. */
void transaction_trace_end(struct transaction *transaction, bool is_complete);

#endif

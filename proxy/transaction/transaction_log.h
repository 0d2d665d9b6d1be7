/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/transaction_log.h: a transaction as the log, the error pages and the helpers
 * see it. Threads: one worker's. */
#ifndef PROXY_TRANSACTION_LOG_H
#define PROXY_TRANSACTION_LOG_H
#include "lib/base/buf.h"
#include "squid-compat/log/log_facts.h"

struct logformat;
struct transaction;

/* The request as it stands. Borrowed spans of the transaction. */
void transaction_fill_log_request(const struct transaction *transaction,
                                  struct log_request *request);

/* What is known so far, for formats; in the transaction's arena. */
struct log_facts *transaction_log_facts(struct transaction *transaction);

/* A format, expanded; NULL: nothing. */
void transaction_render(struct transaction *transaction, const struct logformat *format,
                        struct buf *out);

/* What reply ACLs ask about: the reply's status and fields. */
void transaction_set_reply_facts(struct transaction *transaction);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/ocsp_exchange.h: one question to an OCSP responder and its answer, over HTTP (RFC 6960
 * A.1). The responder is an outside host: what it sends is bounded in size and time, and judged by
 * who asked.
 *     RESOLVE → CONNECT → SEND → RECEIVE → done
 * Threads: one loop's. */
#ifndef PROXY_OCSP_EXCHANGE_H
#define PROXY_OCSP_EXCHANGE_H
#include "lib/base/buf.h"
#include "lib/http/h1.h"
#include "lib/http/message.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"

enum { OCSP_EXCHANGE_MS = 5000 }; /* for all of it */

enum ocsp_step { OCSP_IDLE, OCSP_RESOLVE, OCSP_CONNECT, OCSP_SEND, OCSP_RECEIVE };

/* Embedded and zeroed; the caller sets the first three. */
struct ocsp_exchange {
	struct loop *loop;
	struct resolver *resolver; /* of that loop */
	/* From the loop: it is idle again. answer: what came, until the call returns; why: NULL, or
	 * what went wrong. */
	void (*done)(struct ocsp_exchange *exchange, struct str answer, const char *why);
	/* its own */
	struct resolver_query query_;
	struct stream stream_;
	struct timer timer_;
	struct loop_task task_;
	struct buf request_, in_, body_;
	struct h1_parser parser_;
	struct h1_chunks chunks_;
	uint64_t length_; /* of the body, with HTTP_BODY_LENGTH */
	enum http_body kind_;
	enum ocsp_step step_;
	unsigned addr_;
	bool has_head_, is_sending_;
};

/* It must be idle. url: http://; question: DER; both are copied. False, and done is not called: the
 * url cannot be used. */
bool ocsp_exchange_start(struct ocsp_exchange *exchange, struct str url, struct str question);
static inline bool ocsp_exchange_is_idle(const struct ocsp_exchange *exchange)
{
	return exchange->step_ == OCSP_IDLE;
}
void ocsp_exchange_stop(struct ocsp_exchange *exchange); /* fine on an idle one */

#endif

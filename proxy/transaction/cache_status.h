/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/cache_status.h: the Cache-Status field of a reply: whether the cache answered
 * or why the request went on. RFC 9211. Threads: pure functions over a worker's transaction. */
#ifndef PROXY_CACHE_STATUS_H
#define PROXY_CACHE_STATUS_H
#include <stddef.h>

struct pen;
struct transaction;

/* Why a request was forwarded: RFC 9211 §2.2. */
enum forward_reason {
	FORWARD_NONE, /* it was not */
	FORWARD_BYPASS,
	FORWARD_METHOD,
	FORWARD_URI_MISS,
	FORWARD_VARY_MISS,
	FORWARD_REQUEST,
	FORWARD_STALE,
	FORWARD_PARTIAL,
	FORWARD_REASONS
};

/* More than cache_status_write needs besides the snapshot's own text. */
enum { CACHE_STATUS_BYTES = 160 };

/* The whole line, with its CRLF. A reply that was made here names its error; with cache_status_key
 * on, the URL that it is looked up by is shown. */
void cache_status_write(const struct transaction *transaction, struct pen *pen);
size_t cache_status_bytes(const struct transaction *transaction);

#endif

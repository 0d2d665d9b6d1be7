/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/fetch_store_internal.h: what the parts of storing an answer share. Threads: the
 * fetch's worker. */
#ifndef PROXY_FETCH_STORE_INTERNAL_H
#define PROXY_FETCH_STORE_INTERNAL_H
#include <stdbool.h>
#include <stdint.h>

#include "cache/purge.h"
#include "lib/base/str.h"

struct buf;
struct fetch_order;
struct http_response;
struct object;
struct peer;
struct worker;

/* The answer's status line and fields into head, for all readers; into once what is for the first
 * one only. sticks_to: the peer, which may want to be known again; NULL: none. */
void fetch_write_heads(const struct fetch_order *order, const struct http_response *response,
		       const struct peer *sticks_to, bool is_stored, struct buf *head,
		       struct buf *once);

/* What was removed or purged after the request left: its answer may be of before. */
enum purge_effect fetch_purges_since(const struct fetch_order *order, struct str head);

/* A whole object that was just put into memory: to the disk, if there is one. Out again, or stale,
 * if a purge meant it meanwhile. removals: as of when it was asked for. */
void fetch_store_whole(struct worker *worker, struct object *object, uint64_t key,
                       unsigned removals);

/* RFC 9111 §4.3.5: what a 200 to HEAD says about the stored answer to GET. True: that may stay. */
bool fetch_outlives_head(const struct fetch_order *order, const struct http_response *response,
			 int64_t request_time_s);

#endif

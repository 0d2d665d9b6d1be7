/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/fetch_store.h: what becomes of an origin's answer: the head that readers see, whether
 * it may be stored, and how it gets into memory and to disk. Threads: one worker's, as part of a
 * fetch. */
#ifndef PROXY_FETCH_STORE_H
#define PROXY_FETCH_STORE_H
#include <stdbool.h>
#include <stdint.h>

#include "cache/targeted_control.h"
#include "lib/http/message.h"
#include "proxy/fetch/fetch_part.h"

struct fetch_order;
struct fetch_report;
struct object;
struct snapshot;
struct worker;

struct fetch_storing {
	struct worker *worker;
	uint64_t key;    /* 0: nothing is stored */
	unsigned removals; /* as of when the answer was asked for (cache/index.h) */
	bool is_awaited; /* others wait for this answer's head; the fetch's to say */
	bool is_shared;  /* others find it in the index while it comes */
	bool is_kept;    /* the whole body stays in memory */
	bool is_on_disk; /* handed to the disk tier as it comes */
	bool is_counted; /* the length is not known: watch it grow */
	struct fetch_part part; /* it is no whole response */
};

/* How this configuration reads targeted fields. */
struct control_reader fetch_store_reader(const struct fetch_order *order);

/* The request leaves now: what is removed from now on makes its answer void. */
void fetch_store_note_removals(struct fetch_order *order);
/* Decides, writes the object's head (and with that publishes it), puts it where others find it. */
void fetch_store_begin(struct fetch_storing *storing, const struct fetch_order *order,
                       const struct http_response *response, struct object *object,
                       struct fetch_report *report);
/* The body is longer than before: too long to stay in memory? */
void fetch_store_grew(struct fetch_storing *storing, const struct fetch_order *order,
                      struct object *object);
/* The body is whole. */
void fetch_store_finish(struct fetch_storing *storing, const struct fetch_order *order,
                        struct object *object);
/* It is not to be kept, neither in memory nor on disk, though its readers may have it. Before
 * fetch_store_finish. */
void fetch_store_forget(struct fetch_storing *storing, struct object *object);
/* It was cut short. */
void fetch_store_abort(struct fetch_storing *storing, const struct fetch_order *order,
                       struct object *object, int error);
/* Nobody reads any more: is it worth finishing? Squid: quick_abort_min, _max, _pct. */
bool fetch_store_goes_on(const struct fetch_storing *storing, const struct fetch_order *order,
                         struct object *object);

/* A 304 to our conditions: the stored object that it speaks of with a renewed head, in its place in
 * memory and on disk (a reference that the caller drops); NULL when that is none of them. A variant
 * that did not answer the request so far does from now on. */
struct object *fetch_renew_meant(const struct fetch_order *order,
                                 const struct http_response *not_modified, int64_t request_time_s);

#endif

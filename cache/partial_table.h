/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/partial_table.h: which partial (cache/partial.h) answers a request: by URL and Vary record,
 * the newest of each. What was not asked for the longest leaves when memory is short.
 *
 * Threads: any, any time. One lock, held for the moving of pointers alone. Ownership: the table
 * holds a reference to each. */
#ifndef CACHE_PARTIAL_TABLE_H
#define CACHE_PARTIAL_TABLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/partial.h"
#include "lib/base/str.h"
#include "lib/http/message.h"

struct partial_table; /* opaque */

enum {
	PARTIAL_MAX_VARIANTS = 16, /* of a URL */
	PARTIAL_SHARE = 4,         /* one partial takes that part of max_bytes at most */
};

struct partial_table *partial_table_create(size_t max_bytes);
void partial_table_destroy(struct partial_table *table); /* accepts NULL */
void partial_table_set_max_bytes(struct partial_table *table, size_t max_bytes);

/* May a stretch of that many bytes be added at all? */
bool partial_table_takes(const struct partial_table *table, uint64_t bytes);

/* Nothing is there: relaxed, for who would look for something. */
bool partial_table_is_empty(const struct partial_table *table);

/* What answers the request, with a reference that the caller drops; NULL: nothing. removals:
 * index_removals of key by now; what is of before a removal is dropped instead. */
struct partial *partial_table_find(struct partial_table *table, uint64_t key, struct str url,
				   const struct http_head *request, unsigned removals);

/* The one with exactly that Vary record. */
struct partial *partial_table_find_record(struct partial_table *table, uint64_t key,
					  struct str url, struct str vary, unsigned removals);

/* A stretch more: of what is stored under about's URL and Vary record, if that is of the same
 * representation by a strong validator, else instead of it. Returns what that made,
 * with a reference that the caller drops; NULL: it takes too much memory, and nothing is stored
 * under that record now. */
struct partial *partial_table_add(struct partial_table *table, uint64_t key,
				  const struct partial_addition *addition);

/* All of a URL goes: there is a whole one, or it is purged. Cheap where nothing is stored. Returns
 * how many there were. */
unsigned partial_table_forget(struct partial_table *table, uint64_t key, struct str url);

/* All that there are, with a reference each: *n of them, in memory that the caller frees. */
struct partial **partial_table_list(struct partial_table *table, size_t *n);
/* Takes this one out, if it is there. */
bool partial_table_remove(struct partial_table *table, struct partial *partial);

/* Bytes in use. */
size_t partial_table_bytes(struct partial_table *table);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/external_acl_internal.h: what external_acl.c (questions under way) and
 * external_acl_table.c (answers that are kept) share. */
#ifndef HELPERS_EXTERNAL_ACL_INTERNAL_H
#define HELPERS_EXTERNAL_ACL_INTERNAL_H
#include "helpers/external_acl.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"

enum { EXTERNAL_ACL_FLIGHT_BUCKETS = 64 };

/* A question, as it goes to the helper, and its hash by the table's seed. */
struct external_acl_key {
	struct str text;
	uint64_t hash;
};

/* A question with its answer. Guarded by its shard's lock. */
struct external_acl_entry {
	struct external_acl_entry *next; /* in its bucket; or of those to be freed */
	struct list node;                /* shared.entries, newest first */
	int64_t answered_ms;
	int64_t renewed_ms; /* when a renewal last began; 0: none did */
	struct external_acl_answer *answer;
	bool is_visited;
	struct external_acl_key key;
	char bytes[]; /* of key.text */
};

/* Eviction is SIEVE: a hit marks, the hand clears marks and takes the first entry without one. */
struct external_acl_shard {
	struct lock lock;
	struct { /* guarded by lock */
		struct external_acl_entry **buckets;
		struct list entries;
		struct list *hand; /* a node of entries, or its head */
		size_t n, bytes;
		struct list flights[EXTERNAL_ACL_FLIGHT_BUCKETS];
	} shared;
};

struct external_acl_table {
	struct list node; /* of tables->shared.all; it and nowners are guarded by tables' lock */
	unsigned nowners;
	char *identity; /* immutable from here on, but for what the shards guard */
	size_t identity_len;
	unsigned max_entries;
	uint64_t seed;
	unsigned nshards, nbuckets;
	struct external_acl_shard shards[];
};

/* The table of that identity and size, made if there is none; one owner more. */
struct external_acl_table *external_acl_table_get(struct external_acl_tables *tables,
						  struct str identity, unsigned max_entries);
/* One owner less; with the last one it goes. */
void external_acl_table_put(struct external_acl_tables *tables, struct external_acl_table *table);

size_t external_acl_table_count(struct external_acl_table *table); /* entries */

struct external_acl_shard *external_acl_shard_of(struct external_acl_table *table,
						 const struct external_acl_key *key);

struct external_acl_entry *external_acl_entry_create(const struct external_acl_key *key,
						     struct external_acl_answer *answer,
						     int64_t now_ms);
/* All that hang together by next. */
void external_acl_entries_free(struct external_acl_entry *entries);

/* NULL: there is none. Marks it as visited. */
struct external_acl_entry *external_acl_find_locked(struct external_acl_table *table,
						    struct external_acl_shard *shard,
						    const struct external_acl_key *key);
/* Puts entry in. Returns its forerunner and what had to go, for the caller to free. */
struct external_acl_entry *external_acl_insert_locked(struct external_acl_table *table,
						      struct external_acl_shard *shard,
						      struct external_acl_entry *entry);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers that are kept, by question, in shards. A table lives as long as some configuration
 * uses it; a reload finds it by its identity before the old configuration lets go. */
#include "helpers/external_acl_internal.h"

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"

enum {
	MANY_ENTRIES = 1024, /* from here on a table has several shards */
	MANY_SHARDS = 16,
	MIN_BUCKETS = 16,
	MAX_BUCKETS = 8192,
};

struct external_acl_tables {
	struct lock lock;
	struct { /* guarded by lock */
		struct list all;
	} shared;
};

struct external_acl_tables *external_acl_tables_create(void)
{
	struct external_acl_tables *tables = mem_zalloc(sizeof(*tables));

	lock_init(&tables->lock);
	list_init(&tables->shared.all);
	return tables;
}

void external_acl_tables_destroy(struct external_acl_tables *tables)
{
	if (!tables)
		return;
	check(list_is_empty(&tables->shared.all));
	lock_fini(&tables->lock);
	mem_free(tables);
}

/* ---- entries */

struct external_acl_entry *external_acl_entry_create(const struct external_acl_key *key,
						     struct external_acl_answer *answer,
						     int64_t now_ms)
{
	struct external_acl_entry *entry = mem_zalloc(sizeof(*entry) + key->text.len);

	list_init(&entry->node);
	entry->answered_ms = now_ms;
	entry->answer = external_acl_answer_ref(answer);
	memcpy(entry->bytes, key->text.at, key->text.len);
	entry->key = (struct external_acl_key){{entry->bytes, key->text.len}, key->hash};
	return entry;
}

void external_acl_entries_free(struct external_acl_entry *entries)
{
	while (entries) {
		struct external_acl_entry *next = entries->next;

		external_acl_answer_unref(entries->answer);
		mem_free(entries);
		entries = next;
	}
}

static size_t bytes_of(const struct external_acl_entry *entry)
{
	return sizeof(*entry) + entry->key.text.len + entry->answer->bytes_;
}

/* ---- one table */

static unsigned bucket_count(unsigned max_entries, unsigned nshards)
{
	unsigned n = MIN_BUCKETS;

	while (n < MAX_BUCKETS && n < max_entries / nshards)
		n *= 2;
	return n;
}

static void init_shard(struct external_acl_shard *shard, unsigned nbuckets)
{
	lock_init(&shard->lock);
	shard->shared.buckets = mem_array(nbuckets, sizeof(*shard->shared.buckets));
	list_init(&shard->shared.entries);
	shard->shared.hand = &shard->shared.entries;
	for (size_t i = 0; i < EXTERNAL_ACL_FLIGHT_BUCKETS; i++)
		list_init(&shard->shared.flights[i]);
}

static struct external_acl_table *create_table(struct str identity, unsigned max_entries)
{
	unsigned nshards = max_entries >= MANY_ENTRIES ? MANY_SHARDS : 1;
	struct external_acl_table *table =
		mem_zalloc(sizeof(*table) + nshards * sizeof(table->shards[0]));

	list_init(&table->node);
	table->identity = mem_dup(identity.at, identity.len);
	table->identity_len = identity.len;
	table->max_entries = max_entries;
	table->seed = random_u64();
	table->nshards = nshards;
	table->nbuckets = bucket_count(max_entries, nshards);
	for (unsigned i = 0; i < nshards; i++)
		init_shard(&table->shards[i], table->nbuckets);
	return table;
}

static void destroy_table(struct external_acl_table *table)
{
	for (unsigned i = 0; table && i < table->nshards; i++) {
		struct external_acl_shard *shard = &table->shards[i];

		for (unsigned j = 0; j < table->nbuckets; j++)
			external_acl_entries_free(shard->shared.buckets[j]);
		mem_free(shard->shared.buckets);
		lock_fini(&shard->lock);
	}
	if (table)
		mem_free(table->identity);
	mem_free(table);
}

static struct external_acl_table *find_table_locked(struct external_acl_tables *tables,
						    struct str identity, unsigned max_entries)
{
	lock_check_held(&tables->lock);
	LIST_EACH(node, &tables->shared.all) {
		struct external_acl_table *table = CONTAINER(node, struct external_acl_table, node);

		if (table->max_entries == max_entries &&
		    str_eq((struct str){table->identity, table->identity_len}, identity))
			return table;
	}
	return NULL;
}

struct external_acl_table *external_acl_table_get(struct external_acl_tables *tables,
						  struct str identity, unsigned max_entries)
{
	struct external_acl_table *ours = create_table(identity, max_entries), *table;

	lock_take(&tables->lock);
	table = find_table_locked(tables, identity, max_entries);
	if (!table) {
		table = ours;
		ours = NULL;
		list_push_back(&tables->shared.all, &table->node);
	}
	table->nowners++;
	lock_drop(&tables->lock);
	destroy_table(ours);
	return table;
}

void external_acl_table_put(struct external_acl_tables *tables, struct external_acl_table *table)
{
	bool is_last;

	lock_take(&tables->lock);
	is_last = --table->nowners == 0;
	if (is_last)
		list_remove(&table->node);
	lock_drop(&tables->lock);
	if (is_last)
		destroy_table(table);
}

/* ---- what is in it */

size_t external_acl_table_count(struct external_acl_table *table)
{
	size_t n = 0;

	for (unsigned i = 0; i < table->nshards; i++) {
		lock_take(&table->shards[i].lock);
		n += table->shards[i].shared.n;
		lock_drop(&table->shards[i].lock);
	}
	return n;
}

struct external_acl_shard *external_acl_shard_of(struct external_acl_table *table,
						 const struct external_acl_key *key)
{
	return &table->shards[key->hash % table->nshards];
}

static struct external_acl_entry **bucket_locked(struct external_acl_table *table,
						 struct external_acl_shard *shard, uint64_t hash)
{
	lock_check_held(&shard->lock);
	return &shard->shared.buckets[hash / table->nshards % table->nbuckets];
}

/* Where in its bucket the entry hangs; *at is NULL at the bucket's end. */
static struct external_acl_entry **place_locked(struct external_acl_table *table,
						struct external_acl_shard *shard,
						const struct external_acl_key *key)
{
	struct external_acl_entry **at = bucket_locked(table, shard, key->hash);

	while (*at && ((*at)->key.hash != key->hash || !str_eq((*at)->key.text, key->text)))
		at = &(*at)->next;
	return at;
}

struct external_acl_entry *external_acl_find_locked(struct external_acl_table *table,
						    struct external_acl_shard *shard,
						    const struct external_acl_key *key)
{
	struct external_acl_entry *entry = *place_locked(table, shard, key);

	if (entry)
		entry->is_visited = true;
	return entry;
}

/* Takes *at out and hangs it before *gone. */
static void take_out_locked(struct external_acl_shard *shard, struct external_acl_entry **at,
			    struct external_acl_entry **gone)
{
	struct external_acl_entry *entry = *at;

	check(entry);
	if (shard->shared.hand == &entry->node)
		shard->shared.hand = entry->node.prev;
	*at = entry->next;
	list_remove(&entry->node);
	shard->shared.n--;
	shard->shared.bytes -= bytes_of(entry);
	entry->next = *gone;
	*gone = entry;
}

/* From the oldest to the newest, round and round: there is at least one entry. */
static void evict_locked(struct external_acl_table *table, struct external_acl_shard *shard,
			 struct external_acl_entry **gone)
{
	struct external_acl_entry *entry;

	for (;;) {
		if (shard->shared.hand == &shard->shared.entries)
			shard->shared.hand = shard->shared.entries.prev;
		entry = CONTAINER(shard->shared.hand, struct external_acl_entry, node);
		if (!entry->is_visited)
			break;
		entry->is_visited = false;
		shard->shared.hand = shard->shared.hand->prev;
	}
	take_out_locked(shard, place_locked(table, shard, &entry->key), gone);
}

struct external_acl_entry *external_acl_insert_locked(struct external_acl_table *table,
						      struct external_acl_shard *shard,
						      struct external_acl_entry *entry)
{
	struct external_acl_entry **at = place_locked(table, shard, &entry->key), *gone = NULL;
	size_t max_entries = table->max_entries / table->nshards;
	size_t max_bytes = EXTERNAL_ACL_TABLE_BYTES / table->nshards;

	if (*at)
		take_out_locked(shard, at, &gone);
	while (shard->shared.n > 0 && (shard->shared.n >= max_entries ||
				       shard->shared.bytes + bytes_of(entry) > max_bytes))
		evict_locked(table, shard, &gone);
	at = bucket_locked(table, shard, entry->key.hash);
	entry->next = *at;
	*at = entry;
	list_push_front(&shard->shared.entries, &entry->node);
	shard->shared.n++;
	shard->shared.bytes += bytes_of(entry);
	return gone;
}

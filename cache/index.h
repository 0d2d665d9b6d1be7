/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/index.h: which object in memory answers a request, and which one leaves when memory is
 * short. RFC 9111 §2 (key), §4.1 (Vary).
 *
 * All variants of a URL stand under its fingerprint, newest first. Objects that are still being
 * fetched may stand among them, so that others join (collapsed forwarding): object_state tells.
 * Eviction is SIEVE with a small counter: a hit marks the object and moves nothing; a hand walks
 * from the oldest on, counts marks down and takes out what has none left. With another policy a hit
 * writes a rank instead (cache/index_rank.c).
 *
 * Threads: any, any time. index_find takes no lock (it falls back on one when what it passed by may
 * just be moving): it walks the chains within an epoch (lib/base/epoch.h), and what is taken out is
 * let go when such walks have ended. The others hold one shard's lock at a time and, while they
 * hold it, do not allocate, log, call back or free. Ownership: the index holds one reference to
 * each object. */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/eviction.h"
#include "lib/base/str.h"
#include "lib/http/message.h"

struct index;  /* opaque */
struct object; /* cache/object.h */

enum { INDEX_MAX_VARIANTS = 64 };

/* nshards is a power of two; max_bytes bounds heads and bodies of complete objects together. seed:
 * of index_key, see cache/key.h. */
struct index *index_create(unsigned nshards, size_t max_bytes, uint64_t seed);
/* Before anything is put in; without it, EVICTION_OWN. now_ms: a clock for LRU, which may be coarse
 * and is asked at each hit. */
void index_set_policy(struct index *index, enum eviction policy, int64_t (*now_ms)(void));
/* Nobody uses it any more. Accepts NULL. */
void index_destroy(struct index *index);

/* The fingerprint of a URL under this index's seed. */
uint64_t index_key(const struct index *index, struct str url);

/* The newest object that answers the request, fresh or not, with a reference that the caller drops;
 * NULL on a miss. If there is none whose head is known, one that is being fetched (OBJECT_EMPTY):
 * wait for its head and then ask vary_matches. Aborted objects are not returned, nor such as are
 * not whole and have lost their beginning. */
struct object *index_find(struct index *index, uint64_t key, struct str url,
			  const struct http_head *request);
/* The same; *has_head tells whether the head was compared with the request. The state alone does
 * not: the head of what was found without one may come the moment after. */
struct object *index_find_told(struct index *index, uint64_t key, struct str url,
			       const struct http_head *request, bool *has_head);

/* Has it been asked for again since it came, as far as eviction's counter goes? */
bool index_is_hot(const struct index *index, const struct object *object);

/* Is anything under that URL, for whatever request? */
bool index_has_url(struct index *index, uint64_t key, struct str url);

/* The whole stored ones under that URL, newest first, for whatever request: a reference to each,
 * which the caller drops. Returns how many, at most max. */
unsigned index_variants(struct index *index, uint64_t key, struct str url, struct object **out,
			unsigned max);

/* Puts an object that is to be fetched (OBJECT_EMPTY) under url, which it copies. Index it before
 * its producer starts. False, and nothing done: INDEX_MAX_VARIANTS fetches of that URL are under
 * way. */
bool index_insert_inflight(struct index *index, uint64_t key, struct str url,
			   struct object *object);

/* The same, but false if there is anything under that URL, stored or under way: of several threads
 * that call at the same time one is the first. */
bool index_insert_first(struct index *index, uint64_t key, struct str url, struct object *object);

/* Is this one still there: not removed meanwhile? */
bool index_holds(struct index *index, struct object *object);
/* Is the answer to a fetch of that URL on its way, and its head known? */
bool index_has_inflight(struct index *index, uint64_t key, struct str url);

/* A complete object takes its place: in place of a stored one with the same Vary record, and as the
 * end of its time in flight. May evict. False, and the object is not (or no more) indexed: it alone
 * exceeds max_bytes, it was aborted, or it was removed while in flight, so that what it holds is
 * out of date: do not store it elsewhere either. */
bool index_insert(struct index *index, uint64_t key, struct object *object);

/* A whole one takes the place of old, of which it is another form (key, URL and Vary record are the
 * same). False, and nothing done: old is not stored any more, so that what both hold may be out of
 * date. */
bool index_replace(struct index *index, struct object *old, struct object *object);

/* One that is complete and not whole, for as long as it is still of use (object_linger): it stays
 * where it is since it was in flight, and others with the same Vary record go, stored ones and such
 * as it. False: it was removed meanwhile. */
bool index_settle(struct index *index, struct object *object);

/* An object that may be there takes more memory than it did. May evict. */
void index_note_growth(struct index *index, struct object *object);

/* Takes this one out, if it is there: it was aborted, turned out private, or may not serve any
 * more. */
bool index_remove(struct index *index, struct object *object);
/* All variants and fetches under way: PURGE, POST. Returns how many there were. */
unsigned index_remove_all(struct index *index, uint64_t key, struct str url);
/* A number that changes with each index_remove_all of key (and, rarely, of another one). What was
 * asked for before such a call is out of date: put it in, compare, and take it out again. */
unsigned index_removals(struct index *index, uint64_t key);
/* It will be asked for soon: what takes a while (they lie far apart) begins now. */
void index_expect_removals(struct index *index, uint64_t key);
/* The copy of a row of the disk tier that is no more (disk.h: on_removed). */
bool index_remove_stored(struct index *index, uint64_t key, uint64_t disk_id);

/* Walks through all that is indexed, a stretch a call: references that the caller drops, up to max,
 * which is at least INDEX_VISIT. *cursor is 0 at first, and again at the end (which may come with
 * some objects, or none). What is there from the first call to the last is seen, perhaps twice. */
enum { INDEX_VISIT = 1024 };
unsigned index_visit(struct index *index, uint64_t *cursor, struct object **out, unsigned max);

/* max_bytes changed (cache_mem at a reconfigure): evicts what is too much. */
void index_set_max_bytes(struct index *index, size_t max_bytes);

struct index_stats {
	size_t nobjects; /* complete ones */
	size_t bytes, max_bytes;
	uint64_t nevicted;
	enum eviction policy;
};
void index_stats(const struct index *index, struct index_stats *out);

#endif

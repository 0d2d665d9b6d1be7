/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/ban_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/epoch.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"

enum {
	NBUCKETS = 16384,
	MAX_BITS = 128,
	MAPPED_BITS = 96,      /* of ::ffff:0:0/96 */
	NETWORK_BITS = 64,     /* an IPv6 client's */
	MIN_V4_BITS = 8,
	MIN_V6_BITS = 16,
};

/* Links are read without the lock, within an epoch: an entry never changes, another takes its
 * place. */
struct entry {
	_Atomic(struct entry *) next;
	struct ban ban;
	uint64_t version;          /* of the table, when it came */
	struct epoch_item retired; /* once it is taken out */
};

struct ban_table {
	uint64_t seed;
	atomic_uint_least64_t version;        /* relaxed */
	atomic_uint nentries;                 /* relaxed */
	atomic_uint_least64_t bits_in_use[2]; /* a bit for each length but 0; relaxed */
	struct lock lock; /* of changes, and of all that follows but for the links */
	unsigned nof_bits[MAX_BITS + 1];      /* entries of each length */
	_Atomic(struct entry *) buckets[NBUCKETS];
};

/* ---- prefixes */

static void mask(struct ban_prefix *prefix)
{
	for (unsigned i = 0; i < sizeof(prefix->ip); i++) {
		unsigned nbits = prefix->nbits > i * 8 ? prefix->nbits - i * 8 : 0;

		if (nbits < 8)
			prefix->ip[i] &= (uint8_t)(0xff00U >> nbits);
	}
}

bool ban_prefix_of(const struct addr *addr, struct ban_prefix *out)
{
	int family = addr->as.any.sa_family;

	if (family != AF_INET && family != AF_INET6)
		return false;
	addr_ip_bytes(addr, out->ip);
	out->nbits = family == AF_INET || out->ip[0] == 0 ? MAX_BITS : NETWORK_BITS;
	mask(out);
	return true;
}

/* False: too wide, or it has IPv4 addresses and others in it. */
static bool set_bits(struct ban_prefix *prefix, bool is_v4, uint64_t nbits)
{
	uint64_t most = is_v4 ? MAX_BITS - MAPPED_BITS : MAX_BITS;

	if (nbits > most || nbits < (is_v4 ? MIN_V4_BITS : MIN_V6_BITS))
		return false;
	prefix->nbits = (unsigned)nbits + (is_v4 ? MAPPED_BITS : 0);
	mask(prefix);
	return is_v4 || prefix->ip[0] != 0 || nbits > MAPPED_BITS;
}

bool ban_prefix_parse(struct str text, struct ban_prefix *out)
{
	size_t slash = str_find_char(text, '/');
	struct ban_prefix prefix;
	struct addr addr = {0};
	uint64_t nbits;

	if (!addr_parse(str_first(text, slash), 0, &addr))
		return false;
	addr_unmap(&addr);
	if (!ban_prefix_of(&addr, &prefix))
		return false;
	if (slash < text.len) {
		addr_ip_bytes(&addr, prefix.ip);
		if (!str_to_u64(str_from(text, slash + 1), &nbits) ||
		    !set_bits(&prefix, addr.as.any.sa_family == AF_INET, nbits))
			return false;
	}
	*out = prefix;
	return true;
}

char *ban_prefix_text(const struct ban_prefix *prefix, char out[BAN_PREFIX_TEXT_BYTES])
{
	static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = prefix->nbits >= MAPPED_BITS &&
		     memcmp(prefix->ip, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN] = "";
	unsigned nbits = prefix->nbits - (is_v4 ? MAPPED_BITS : 0);

	if (is_v4)
		inet_ntop(AF_INET, prefix->ip + sizeof(mapped), text, sizeof(text));
	else
		inet_ntop(AF_INET6, prefix->ip, text, sizeof(text));
	if (prefix->nbits == MAX_BITS && is_v4)
		snprintf(out, BAN_PREFIX_TEXT_BYTES, "%s", text);
	else
		snprintf(out, BAN_PREFIX_TEXT_BYTES, "%s/%u", text, nbits);
	return out;
}

/* ---- life */

struct ban_table *ban_table_create(void)
{
	struct ban_table *table = mem_zalloc(sizeof(*table));

	table->seed = random_u64();
	ban_table_next_version(table); /* no entry is of version 0 */
	lock_init(&table->lock);
	return table;
}

void ban_table_destroy(struct ban_table *table)
{
	if (!table)
		return;
	ban_table_forget(table, UINT64_MAX);
	epoch_reclaim();
	lock_fini(&table->lock);
	mem_free(table);
}

static bool is_same(const struct ban_prefix *a, const struct ban_prefix *b)
{
	return a->nbits == b->nbits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static _Atomic(struct entry *) *bucket_of(struct ban_table *table, const struct ban_prefix *prefix)
{
	struct str ip = {(const char *)prefix->ip, sizeof(prefix->ip)};

	return &table->buckets[hash_str(ip, table->seed + prefix->nbits) % NBUCKETS];
}

/* ---- looking up */

static struct entry *follow(const _Atomic(struct entry *) *link)
{
	return atomic_load(link);
}

static bool has_ban(const _Atomic(struct entry *) *bucket, const struct ban_prefix *prefix,
		    int64_t now_s)
{
	for (const struct entry *entry = follow(bucket); entry; entry = follow(&entry->next))
		if (is_same(&entry->ban.prefix, prefix) && entry->ban.until_s > now_s)
			return true;
	return false;
}

static bool is_banned(struct ban_table *table, const struct ban_prefix *prefix, int64_t now_s)
{
	const _Atomic(struct entry *) *bucket = bucket_of(table, prefix);
	bool is_found;

	if (!atomic_load_explicit(bucket, memory_order_relaxed))
		return false;
	if (epoch_enter()) {
		is_found = has_ban(bucket, prefix, now_s);
		epoch_leave();
		return is_found;
	}
	lock_take(&table->lock);
	is_found = has_ban(bucket, prefix, now_s);
	lock_drop(&table->lock);
	return is_found;
}

bool ban_table_has(struct ban_table *table, const struct addr *addr, int64_t now_s)
{
	int family = addr->as.any.sa_family;
	uint8_t ip[16];

	if (atomic_load_explicit(&table->nentries, memory_order_relaxed) == 0 ||
	    (family != AF_INET && family != AF_INET6))
		return false;
	addr_ip_bytes(addr, ip);
	for (unsigned half = 0; half < 2; half++) {
		uint64_t lengths =
			atomic_load_explicit(&table->bits_in_use[half], memory_order_relaxed);

		for (; lengths; lengths &= lengths - 1) {
			struct ban_prefix prefix = {
				.nbits = half * 64 + (unsigned)__builtin_ctzll(lengths) + 1};

			memcpy(prefix.ip, ip, sizeof(ip));
			mask(&prefix);
			if (is_banned(table, &prefix, now_s))
				return true;
		}
	}
	return false;
}

/* ---- changes */

static void count_locked(struct ban_table *table, unsigned nbits, int by)
{
	uint64_t bit = UINT64_C(1) << (nbits - 1) % 64;
	atomic_uint_least64_t *half = &table->bits_in_use[(nbits - 1) / 64];

	lock_check_held(&table->lock);
	atomic_fetch_add_explicit(&table->nentries, (unsigned)by, memory_order_relaxed);
	table->nof_bits[nbits] += (unsigned)by;
	if (table->nof_bits[nbits] == 0)
		atomic_fetch_and_explicit(half, ~bit, memory_order_relaxed);
	else
		atomic_fetch_or_explicit(half, bit, memory_order_relaxed);
}

static _Atomic(struct entry *) *place_locked(struct ban_table *table,
					     const struct ban_prefix *prefix)
{
	_Atomic(struct entry *) *at = bucket_of(table, prefix);

	lock_check_held(&table->lock);
	while (follow(at) && !is_same(&follow(at)->ban.prefix, prefix))
		at = &follow(at)->next;
	return at;
}

static void free_entry(struct epoch_item *item)
{
	mem_free(CONTAINER(item, struct entry, retired));
}

/* Puts fresh (NULL: nothing) in the place of the entry that at leads to (none: at the end). The old
 * one is to be retired once the lock is dropped. */
static struct entry *put_locked(struct ban_table *table, _Atomic(struct entry *) *at,
				struct entry *fresh)
{
	struct entry *old = follow(at), *next = old ? follow(&old->next) : NULL;

	if (fresh)
		atomic_store(&fresh->next, next);
	atomic_store(at, fresh ? fresh : next);
	if (fresh) /* first: a length that both have stays in use */
		count_locked(table, fresh->ban.prefix.nbits, 1);
	if (old)
		count_locked(table, old->ban.prefix.nbits, -1);
	return old;
}

static void retire(struct entry *entry)
{
	entry->retired = (struct epoch_item){.free = free_entry};
	epoch_retire(&entry->retired);
}

static bool put(struct ban_table *table, const struct ban *ban, bool is_news)
{
	struct entry *fresh = mem_zalloc(sizeof(*fresh)), *old = NULL;
	_Atomic(struct entry *) *at;
	unsigned max = is_news ? BAN_TABLE_MAX : 2 * BAN_TABLE_MAX;
	bool is_full;

	fresh->ban = *ban;
	lock_take(&table->lock);
	at = place_locked(table, &ban->prefix);
	is_full = !follow(at) &&
		  atomic_load_explicit(&table->nentries, memory_order_relaxed) >= max;
	if (!is_full) {
		fresh->version = is_news ? ban_table_next_version(table) : ban_table_version(table);
		old = put_locked(table, at, fresh);
	}
	lock_drop(&table->lock);
	if (old)
		retire(old);
	if (is_full)
		mem_free(fresh);
	return !is_full;
}

bool ban_table_add(struct ban_table *table, const struct ban *ban)
{
	return put(table, ban, true);
}

bool ban_table_load(struct ban_table *table, const struct ban *ban)
{
	return put(table, ban, false);
}

bool ban_table_remove(struct ban_table *table, const struct ban_prefix *prefix)
{
	struct entry *old = NULL;
	_Atomic(struct entry *) *at;

	lock_take(&table->lock);
	at = place_locked(table, prefix);
	if (follow(at))
		old = put_locked(table, at, NULL);
	lock_drop(&table->lock);
	if (!old)
		return false;
	retire(old);
	ban_table_next_version(table);
	return true;
}

/* Takes out what ended by now_s or came at version or before. */
static bool sweep(struct ban_table *table, int64_t now_s, uint64_t version)
{
	bool is_changed = false;

	for (unsigned i = 0; i < NBUCKETS; i++) {
		_Atomic(struct entry *) *at = &table->buckets[i];
		struct epoch_item *ended = NULL;

		if (!atomic_load_explicit(at, memory_order_relaxed))
			continue;
		lock_take(&table->lock);
		while (follow(at)) {
			struct entry *entry = follow(at);

			if (entry->ban.until_s > now_s && entry->version > version) {
				at = &entry->next;
				continue;
			}
			put_locked(table, at, NULL);
			entry->retired = (struct epoch_item){.next = ended, .free = free_entry};
			ended = &entry->retired;
		}
		lock_drop(&table->lock);
		is_changed |= ended != NULL;
		epoch_retire(ended);
	}
	return is_changed;
}

void ban_table_sweep(struct ban_table *table, int64_t now_s)
{
	if (sweep(table, now_s, 0))
		ban_table_next_version(table);
}

void ban_table_forget(struct ban_table *table, uint64_t version)
{
	sweep(table, INT64_MIN, version);
}

void ban_table_copy(struct ban_table *table, struct buf *out)
{
	for (unsigned i = 0; i < NBUCKETS; i++) {
		const struct entry *entry;

		if (!atomic_load_explicit(&table->buckets[i], memory_order_relaxed))
			continue;
		lock_take(&table->lock);
		for (entry = follow(&table->buckets[i]); entry; entry = follow(&entry->next))
			buf_add(out, &entry->ban, sizeof(entry->ban));
		lock_drop(&table->lock);
	}
}

uint64_t ban_table_version(const struct ban_table *table)
{
	return atomic_load_explicit(&table->version, memory_order_relaxed);
}

uint64_t ban_table_next_version(struct ban_table *table)
{
	return atomic_fetch_add_explicit(&table->version, 1, memory_order_relaxed) + 1;
}

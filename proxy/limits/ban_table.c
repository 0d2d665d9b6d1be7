/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/ban_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

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

struct entry {
	struct entry *next;
	struct ban ban;
};

struct bucket {
	atomic_uint n; /* entries; read without the lock, relaxed */
	struct entry *first;
};

struct ban_table {
	uint64_t seed;
	atomic_uint_least64_t version;             /* relaxed */
	atomic_uint nentries;                      /* relaxed */
	atomic_uint nof_bits[MAX_BITS + 1];        /* entries of each length; relaxed */
	atomic_uint_least64_t bits_in_use[2];      /* a bit for each length but 0; relaxed */
	struct lock lock;                          /* of all that follows */
	struct bucket buckets[NBUCKETS];
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
	lock_init(&table->lock);
	return table;
}

void ban_table_destroy(struct ban_table *table)
{
	if (!table)
		return;
	ban_table_clear(table);
	lock_fini(&table->lock);
	mem_free(table);
}

static bool is_same(const struct ban_prefix *a, const struct ban_prefix *b)
{
	return a->nbits == b->nbits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static struct bucket *bucket_of(struct ban_table *table, const struct ban_prefix *prefix)
{
	struct str ip = {(const char *)prefix->ip, sizeof(prefix->ip)};

	return &table->buckets[hash_str(ip, table->seed + prefix->nbits) % NBUCKETS];
}

/* ---- looking up */

static bool is_banned(struct ban_table *table, const struct ban_prefix *prefix, int64_t now_s)
{
	struct bucket *bucket = bucket_of(table, prefix);
	bool is_found = false;

	if (atomic_load_explicit(&bucket->n, memory_order_relaxed) == 0)
		return false;
	lock_take(&table->lock);
	for (const struct entry *entry = bucket->first; entry && !is_found; entry = entry->next)
		is_found = is_same(&entry->ban.prefix, prefix) && entry->ban.until_s > now_s;
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

static void count_locked(struct ban_table *table, struct bucket *bucket, unsigned nbits, int by)
{
	unsigned n;

	lock_check_held(&table->lock);
	atomic_fetch_add_explicit(&bucket->n, (unsigned)by, memory_order_relaxed);
	atomic_fetch_add_explicit(&table->nentries, (unsigned)by, memory_order_relaxed);
	n = atomic_fetch_add_explicit(&table->nof_bits[nbits], (unsigned)by,
				      memory_order_relaxed) + (unsigned)by;
	if (n == 0)
		atomic_fetch_and_explicit(&table->bits_in_use[(nbits - 1) / 64],
					  ~(UINT64_C(1) << (nbits - 1) % 64), memory_order_relaxed);
	else
		atomic_fetch_or_explicit(&table->bits_in_use[(nbits - 1) / 64],
					 UINT64_C(1) << (nbits - 1) % 64, memory_order_relaxed);
}

static void changed(struct ban_table *table)
{
	atomic_fetch_add_explicit(&table->version, 1, memory_order_relaxed);
}

static struct entry **place_locked(struct ban_table *table, const struct ban_prefix *prefix)
{
	struct entry **at = &bucket_of(table, prefix)->first;

	lock_check_held(&table->lock);
	while (*at && !is_same(&(*at)->ban.prefix, prefix))
		at = &(*at)->next;
	return at;
}

bool ban_table_add(struct ban_table *table, const struct ban *ban)
{
	struct entry *fresh, **at;
	bool is_full = false;

	fresh = mem_zalloc(sizeof(*fresh));
	fresh->ban = *ban;
	lock_take(&table->lock);
	at = place_locked(table, &ban->prefix);
	if (*at) {
		(*at)->ban = *ban;
	} else if (atomic_load_explicit(&table->nentries, memory_order_relaxed) >= BAN_TABLE_MAX) {
		is_full = true;
	} else {
		*at = fresh;
		fresh = NULL;
		count_locked(table, bucket_of(table, &ban->prefix), ban->prefix.nbits, 1);
	}
	lock_drop(&table->lock);
	mem_free(fresh);
	if (!is_full)
		changed(table);
	return !is_full;
}

static struct entry *unlink_locked(struct ban_table *table, struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	count_locked(table, bucket_of(table, &entry->ban.prefix), entry->ban.prefix.nbits, -1);
	return entry;
}

bool ban_table_remove(struct ban_table *table, const struct ban_prefix *prefix)
{
	struct entry *entry = NULL, **at;

	lock_take(&table->lock);
	at = place_locked(table, prefix);
	if (*at)
		entry = unlink_locked(table, at);
	lock_drop(&table->lock);
	mem_free(entry);
	if (entry)
		changed(table);
	return entry != NULL;
}

void ban_table_sweep(struct ban_table *table, int64_t now_s)
{
	for (unsigned i = 0; i < NBUCKETS; i++) {
		struct entry **at = &table->buckets[i].first, *ended = NULL;

		if (atomic_load_explicit(&table->buckets[i].n, memory_order_relaxed) == 0)
			continue;
		lock_take(&table->lock);
		while (*at) {
			struct entry *entry;

			if ((*at)->ban.until_s > now_s) {
				at = &(*at)->next;
				continue;
			}
			entry = unlink_locked(table, at);
			entry->next = ended;
			ended = entry;
		}
		lock_drop(&table->lock);
		if (ended)
			changed(table);
		while (ended) {
			struct entry *next = ended->next;

			mem_free(ended);
			ended = next;
		}
	}
}

void ban_table_clear(struct ban_table *table)
{
	ban_table_sweep(table, INT64_MAX);
}

void ban_table_copy(struct ban_table *table, struct buf *out)
{
	for (unsigned i = 0; i < NBUCKETS; i++) {
		if (atomic_load_explicit(&table->buckets[i].n, memory_order_relaxed) == 0)
			continue;
		lock_take(&table->lock);
		for (const struct entry *entry = table->buckets[i].first; entry; entry = entry->next)
			buf_add(out, &entry->ban, sizeof(entry->ban));
		lock_drop(&table->lock);
	}
}

uint64_t ban_table_version(const struct ban_table *table)
{
	return atomic_load_explicit(&table->version, memory_order_relaxed);
}

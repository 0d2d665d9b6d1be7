/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain names: `www.example.com` is itself, `.example.com` itself and all below.
 *
 * A hash table of names. Each value marks its parents in it as well, so that `.b.c` behind `a.b.c`
 * is found when it is read: Squid refuses that order, and only warns of the other. */
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "squid-compat/acl/acl_internal.h"

enum {
	MAX_DOMAIN_BYTES = 255,
	MAX_CONFLICTS_SAID = 10,
	MAX_POOL_BYTES = 1024 * 1024 * 1024,
};

enum domain_flag {
	DOMAIN_EXACT = 1,  /* is a value */
	DOMAIN_TREE = 2,   /* is a value with a dot in front */
	DOMAIN_PARENT = 4, /* some value lies below */
};

/* A name is bytes of the pool, which holds the values one by one, each behind a NUL. */
struct entry {
	uint32_t hash;
	uint32_t at;
	uint8_t len;
	uint8_t flags; /* 0: free */
};

struct domains {
	uint64_t seed;
	char *pool;
	size_t pool_len, pool_cap;
	struct entry *table;
	size_t nentries, mask; /* the table has mask + 1 entries */
	size_t nvalues;
	uint64_t filter; /* a bit for each value */
	unsigned nconflicts;
};

static void init_domains(void *values)
{
	struct domains *set = values;

	set->seed = random_u64();
	set->mask = 15;
	set->table = mem_array(set->mask + 1, sizeof(*set->table));
	set->pool_len = 1; /* the NUL before the first value */
	set->pool_cap = 256;
	set->pool = mem_zalloc(set->pool_cap);
}

static void free_domains(void *values)
{
	struct domains *set = values;

	mem_free(set->pool);
	mem_free(set->table);
}

static uint32_t hash_of(const struct domains *set, struct str name)
{
	return (uint32_t)hash_str(name, set->seed);
}

/* The entry of name, or the free one where it belongs. */
static struct entry *find(const struct domains *set, struct str name, uint32_t hash)
{
	for (size_t i = hash & set->mask;; i = (i + 1) & set->mask) {
		struct entry *entry = &set->table[i];

		if (entry->flags == 0)
			return entry;
		if (entry->hash == hash && entry->len == name.len &&
		    memcmp(set->pool + entry->at, name.at, name.len) == 0)
			return entry;
	}
}

static uint8_t flags_of(const struct domains *set, struct str name)
{
	return name.len <= MAX_DOMAIN_BYTES ? find(set, name, hash_of(set, name))->flags : 0;
}

static void grow_table(struct domains *set)
{
	struct entry *old = set->table;
	size_t n = set->mask + 1;

	set->mask = 2 * n - 1;
	set->table = mem_array(2 * n, sizeof(*set->table));
	for (size_t i = 0; i < n; i++) {
		size_t at = old[i].hash & set->mask;

		if (old[i].flags == 0)
			continue;
		while (set->table[at].flags != 0)
			at = (at + 1) & set->mask;
		set->table[at] = old[i];
	}
	mem_free(old);
}

/* name lies in the pool. */
static void mark(struct domains *set, struct str name, uint8_t flag)
{
	uint32_t hash = hash_of(set, name);
	struct entry *entry = find(set, name, hash);

	if (entry->flags == 0) {
		*entry = (struct entry){
			.hash = hash,
			.at = (uint32_t)(name.at - set->pool),
			.len = (uint8_t)name.len,
		};
		set->nentries++;
	}
	entry->flags |= flag;
	if (set->nentries > (set->mask + 1) / 4 * 3)
		grow_table(set);
}

static struct str pool_add(struct domains *set, struct str value)
{
	char *at;

	if (set->pool_len + value.len + 1 > set->pool_cap) {
		set->pool_cap = 2 * set->pool_cap + value.len;
		set->pool = mem_realloc(set->pool, set->pool_cap);
	}
	at = set->pool + set->pool_len;
	for (size_t i = 0; i < value.len; i++)
		at[i] = ascii_lower(value.at[i]);
	at[value.len] = '\0';
	set->pool_len += value.len + 1;
	return (struct str){at, value.len};
}

/* "b.c" of "a.b.c"; empty behind the last dot. */
static struct str parent_of(struct str name)
{
	return str_from(name, str_find_char(name, '.') + 1);
}

/* The nearest parent that is a value with a dot in front, name itself included; empty if none. */
static struct str tree_above(const struct domains *set, struct str name)
{
	while (name.len > 0 && !(flags_of(set, name) & DOMAIN_TREE))
		name = parent_of(name);
	return name;
}

/* The value that the entry's bytes belong to. */
static const char *value_around(const struct domains *set, const struct entry *entry)
{
	size_t at = entry->at;

	while (set->pool[at - 1] != '\0')
		at--;
	return set->pool + at;
}

static bool conflicts(struct domains *set, struct str value, struct str name, bool is_tree,
                      const struct acl *acl, struct report *report)
{
	const struct entry *entry = find(set, name, hash_of(set, name));
	struct str above = tree_above(set, name);

	if (entry->flags & DOMAIN_TREE)
		above = is_tree ? STR_NONE : name; /* the same value again is none */
	if (above.len > 0 && ++set->nconflicts <= MAX_CONFLICTS_SAID)
		report_say(report, REPORT_WARNING,
		           "'%.*s' is a subdomain of '.%.*s': you should probably remove '%.*s' "
		           "from the ACL named '%s'",
		           STR_ARG(value), STR_ARG(above), STR_ARG(value), acl->name);
	if (above.len > 0)
		return true;
	if (!is_tree || entry->flags == 0 || (entry->flags & DOMAIN_TREE))
		return false;
	if (++set->nconflicts <= MAX_CONFLICTS_SAID)
		report_say(report, REPORT_FATAL,
		           "'%s' is a subdomain of '%.*s': you need to remove '%s' from the ACL "
		           "named '%s'",
		           value_around(set, entry), STR_ARG(value), value_around(set, entry),
		           acl->name);
	return true;
}

/* What was read from the end of a name, with one more byte before it. */
static uint32_t mix(uint32_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 0x9e3779b1;
}

static uint64_t bit_of_hash(uint32_t hash)
{
	return 1ULL << (hash >> 26);
}

static uint64_t bit_of_name(struct str name)
{
	uint32_t hash = 0;

	for (size_t i = name.len; i > 0; i--)
		hash = mix(hash, name.at[i - 1]);
	return bit_of_hash(hash);
}

uint64_t acl_domain_bits(struct str host)
{
	uint64_t bits = 0;
	uint32_t hash = 0;

	for (size_t i = host.len; i > 0; i--) {
		if (host.at[i - 1] == '.')
			bits |= bit_of_hash(hash);
		hash = mix(hash, host.at[i - 1]);
	}
	return bits | bit_of_hash(hash);
}

static uint64_t filter_of_domains(const void *values)
{
	return ((const struct domains *)values)->filter;
}

static void add_domain(struct acl *acl, struct str raw, struct report *report)
{
	struct domains *set = acl->values;
	bool is_tree = raw.len > 1 && raw.at[0] == '.';
	size_t pool_len = set->pool_len;
	struct str value, name;

	set->nvalues++;
	if (raw.len > MAX_DOMAIN_BYTES || set->pool_len > MAX_POOL_BYTES) {
		report_say(report, REPORT_WARNING,
		           "'%.*s...' is too long for a domain and never matches",
		           STR_ARG(str_first(raw, 60)));
		return;
	}
	value = pool_add(set, raw);
	name = is_tree ? str_from(value, 1) : value;
	if (conflicts(set, value, name, is_tree, acl, report)) {
		set->pool_len = pool_len;
		return;
	}
	mark(set, name, is_tree ? DOMAIN_TREE : DOMAIN_EXACT);
	set->filter |= bit_of_name(name);
	for (struct str up = parent_of(name); up.len > 0; up = parent_of(up))
		mark(set, up, DOMAIN_PARENT);
}

static void parse_domains(struct acl *acl, struct acl_reader *reader)
{
	struct str value;

	while (acl_reader_next(reader, &value))
		add_domain(acl, value, reader->report);
}

static bool has_no_domains(const void *values)
{
	return ((const struct domains *)values)->nvalues == 0;
}

static enum acl_match test_domain(const void *values, struct str name)
{
	const struct domains *set = values;

	if (flags_of(set, name) & (DOMAIN_EXACT | DOMAIN_TREE))
		return ACL_MATCH;
	return tree_above(set, name).len > 0 ? ACL_MATCH : ACL_MISMATCH;
}

const struct acl_kind acl_kind_domain = {
	.bytes = sizeof(struct domains),
	.init = init_domains,
	.parse = parse_domains,
	.is_empty = has_no_domains,
	.fini = free_domains,
	.filter = filter_of_domains,
	.test = test_domain,
};

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/sites.h"

#include "lib/base/heap.h"

/* ---- names */

void site_names_init(struct site_names *names)
{
	*names = (struct site_names){0};
	lock_init(&names->lock);
}

void site_names_fini(struct site_names *names)
{
	for (unsigned i = 0; i < atomic_load_explicit(&names->n, memory_order_relaxed); i++)
		mem_free(names->names[i].at);
	lock_fini(&names->lock);
}

static unsigned find(const struct site_names *names, struct str host, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (str_eq((struct str){names->names[i].at, names->names[i].len}, host))
			return i;
	return SITE_OTHER;
}

/* Somebody else may just have added it. */
static unsigned add(struct site_names *names, struct str host)
{
	char *copy = str_dup(host);
	unsigned n, number;

	lock_take(&names->lock);
	n = atomic_load_explicit(&names->n, memory_order_relaxed);
	number = find(names, host, n);
	if (number == SITE_OTHER && n < SITES_MAX) {
		names->names[n] = (struct site_name){copy, host.len};
		atomic_store_explicit(&names->n, n + 1, memory_order_release);
		copy = NULL;
		number = n;
	}
	lock_drop(&names->lock);
	mem_free(copy);
	return number;
}

unsigned site_names_find(struct site_names *names, struct str host, bool may_add)
{
	unsigned n = atomic_load_explicit(&names->n, memory_order_acquire), number;

	if (host.len == 0 || host.len > SITE_NAME_BYTES)
		return SITE_OTHER;
	number = find(names, host, n);
	if (number != SITE_OTHER || !may_add || n == SITES_MAX)
		return number;
	return add(names, host);
}

struct str site_names_text(const struct site_names *names, unsigned number)
{
	if (number >= SITES_MAX)
		return STR("(other)");
	return (struct str){names->names[number].at, names->names[number].len};
}

/* ---- a worker's counts */

void sites_init(struct sites *sites, struct site_names *names, uint64_t seed)
{
	*sites = (struct sites){.names = names, .seed = seed};
}

void sites_fini(struct sites *sites)
{
	for (unsigned i = 0; i < SITE_ROWS; i++)
		mem_free(sites->counts[i]);
}

static struct site_counts *counts_of(struct sites *sites, unsigned number)
{
	if (!sites->counts[number])
		sites->counts[number] = mem_zalloc(sizeof(*sites->counts[number]));
	return sites->counts[number];
}

/* Of the ends of the name: quick, and a client who makes names meet only makes look-ups of sites
 * that have none slower, which pass by each name once. */
static unsigned slot_of(struct str host, uint64_t seed)
{
	uint64_t head = 0, tail = 0;

	if (host.len >= sizeof(head)) {
		memcpy(&head, host.at, sizeof(head));
		memcpy(&tail, host.at + host.len - sizeof(tail), sizeof(tail));
	} else {
		for (size_t i = 0; i < host.len; i++)
			head = head << 8 | (unsigned char)host.at[i];
	}
	return (unsigned)(((head ^ tail << 1 ^ host.len) * (seed | 1)) >> (64 - SITE_SLOT_BITS));
}

struct site_counts *sites_get(struct sites *sites, struct str host, bool is_good)
{
	struct site_slot *slot = &sites->slots[slot_of(host, sites->seed)];
	unsigned number;

	if (slot->counts && str_eq(slot->name, host))
		return slot->counts;
	number = site_names_find(sites->names, host, is_good);
	if (number == SITE_OTHER)
		return counts_of(sites, SITE_OTHER);
	*slot = (struct site_slot){.name = site_names_text(sites->names, number),
				   .counts = counts_of(sites, number)};
	return slot->counts;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of a name's addresses its next asker gets, and in which order. All that are not bad take
 * turns; the bad ones come behind. Of very many, an asker gets some, among them the one that worked
 * last. */
#include <string.h>

#include "lib/base/heap.h"
#include "lib/net/resolver_internal.h"

enum {
	MAX_KEPT = 256,
	BAD_MS = 10000,
	BAD_MAX_MS = 60000,
};

static struct name_addr *find(struct name_addr *addrs, unsigned naddrs, const struct addr *addr)
{
	for (unsigned i = 0; i < naddrs; i++)
		if (addr_eq_ip(&addrs[i].addr, addr))
			return &addrs[i];
	return NULL;
}

/* ---- an answer */

static bool fits(const struct ares_addrinfo_node *node)
{
	return node->ai_addrlen <= sizeof(((struct addr *)NULL)->as);
}

void resolver_addrs_keep(struct name *name, const struct ares_addrinfo *info)
{
	struct name_addr *old = name->addrs, *kept;
	unsigned n = 0;

	for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
		n += fits(node);
	n = n < MAX_KEPT ? n : MAX_KEPT;
	kept = mem_array(n, sizeof(*kept));
	n = 0;
	for (const struct ares_addrinfo_node *node = info->nodes; node && n < MAX_KEPT;
	     node = node->ai_next) {
		struct addr addr = {0};
		const struct name_addr *known;

		if (!fits(node))
			continue;
		memcpy(&addr.as, node->ai_addr, node->ai_addrlen);
		known = find(old, name->naddrs, &addr);
		kept[n++] = known ? *known : (struct name_addr){.addr = addr};
	}
	name->addrs = kept;
	name->naddrs = n;
	mem_free(old);
}

/* ---- what became of them */

static int64_t patience_ms(unsigned nfails)
{
	return nfails < 4 ? BAD_MS << (nfails - 1) : BAD_MAX_MS;
}

void resolver_addrs_mark(struct name *name, const struct addr *addr, bool is_good)
{
	struct name_addr *marked = find(name->addrs, name->naddrs, addr);

	if (!marked)
		return;
	for (unsigned i = 0; is_good && i < name->naddrs; i++)
		name->addrs[i].is_proven = false;
	marked->is_proven = is_good;
	if (is_good)
		marked->nfails = 0;
	else if (marked->nfails < 4)
		marked->nfails++;
	marked->bad_until_ms = is_good ? 0
				       : loop_now_ms(name->resolver->loop) +
						 patience_ms(marked->nfails);
}

/* ---- the choice */

/* Those of a family that are (or are not) bad. */
struct kind {
	sa_family_t family;
	bool is_family, is_bad;
	int64_t now_ms;
};

static bool is_of(const struct name_addr *addr, const struct kind *kind)
{
	return (addr->addr.as.any.sa_family == kind->family) == kind->is_family &&
	       (addr->bad_until_ms > kind->now_ms) == kind->is_bad;
}

static unsigned count(const struct name *name, const struct kind *kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < name->naddrs; i++)
		n += is_of(&name->addrs[i], kind);
	return n;
}

/* The number-th of the n of that kind, from the turn-th on. */
static const struct addr *pick(const struct name *name, const struct kind *kind, unsigned number,
			       unsigned n)
{
	number = (number + name->turn) % n;
	for (unsigned i = 0; i < name->naddrs; i++)
		if (is_of(&name->addrs[i], kind) && number-- == 0)
			return &name->addrs[i].addr;
	return NULL;
}

/* The family that is better comes first, then they alternate, so that the second attempt is made by
 * the other one (RFC 8305 §4). Within each, every asker begins with another address: who balances
 * by DNS gets what he asked for. Behind the nout that are there; returns how many then are. */
static unsigned add_spread(const struct name *name, bool is_bad, struct addr *out, unsigned nout)
{
	int64_t now_ms = loop_now_ms(name->resolver->loop);
	sa_family_t family = name->addrs[0].addr.as.any.sa_family;
	const struct kind first = {family, true, is_bad, now_ms},
			  other = {family, false, is_bad, now_ms};
	unsigned n[2] = {count(name, &first), count(name, &other)}, given[2] = {0};

	while (nout < RESOLVER_MAX_ADDRS && given[0] + given[1] < n[0] + n[1]) {
		bool is_first = given[0] < n[0] && (given[0] <= given[1] || given[1] == n[1]);
		unsigned which = !is_first;

		out[nout++] = *pick(name, is_first ? &first : &other, given[which], n[which]);
		given[which]++;
	}
	return nout;
}

/* Who gets a part of them has the one that worked last in the second place, if not before. */
static void include_proven(const struct name *name, struct addr *out)
{
	for (unsigned i = 0; i < name->naddrs; i++) {
		const struct addr *proven = &name->addrs[i].addr;

		if (!name->addrs[i].is_proven || addr_eq_ip(proven, &out[0]))
			continue;
		memmove(&out[2], &out[1], (RESOLVER_MAX_ADDRS - 2) * sizeof(*out));
		out[1] = *proven;
	}
}

static unsigned count_good(const struct name *name)
{
	int64_t now_ms = loop_now_ms(name->resolver->loop);
	unsigned n = 0;

	for (unsigned i = 0; i < name->naddrs; i++)
		n += name->addrs[i].bad_until_ms <= now_ms;
	return n;
}

unsigned resolver_addrs_choose(struct name *name, struct addr out[RESOLVER_MAX_ADDRS],
			       unsigned *nmore)
{
	unsigned n;

	*nmore = 0;
	if (name->naddrs == 0)
		return 0;
	n = add_spread(name, false, out, 0);
	*nmore = count_good(name) - n;
	n = add_spread(name, true, out, n);
	if (name->naddrs > n)
		include_proven(name, out);
	name->turn++;
	return n;
}

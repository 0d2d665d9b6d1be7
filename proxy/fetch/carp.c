/* SPDX-License-Identifier: BSD-2-Clause */
/* A score is a hash of 32 bits times the peer's multiplier. The hash is a product whose lowest bits
 * are turned to the top, and the lowest bits of a product come from the lowest bits of its factors
 * alone. So the lowest TOP_BITS of the key's hash tell within what bounds each score lies, and
 * thereby who may have the highest one: one peer most of the time. These short lists are made when
 * they are needed first. */
#include "proxy/fetch/carp.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/heap.h"
#include "squid-compat/peers.h"

enum {
	TURN = 21,
	TOP_BITS = 32 - TURN,
	NLISTS = 1 << TOP_BITS,
	LIST_MAX = 7,
	UNKNOWN = 0,
	LONG = LIST_MAX + 1, /* more than fit */
};

static const uint32_t factor = 0x62531965U;
static const uint32_t below_top = (1U << TURN) - 1;

struct shortlist {
	uint16_t n; /* or UNKNOWN, or LONG */
	uint16_t at[LIST_MAX];
};

struct member {
	const struct peer *peer;
	unsigned weight;
};

/* One worker's. */
struct carp {
	unsigned n;
	bool has_one_key;
	struct member *members;
	/* What a request looks at, by member. */
	uint32_t *name_hashes;
	double *multipliers;
	double *scores; /* scratch */
	struct shortlist lists[NLISTS]; /* by the lowest bits of a key's hash */
};

static uint32_t rotate(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

/* Of a peer's name ... */
static uint32_t hash_name(struct str name)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < name.len; i++)
		hash += rotate(hash, 19) + (unsigned char)name.at[i];
	hash += hash * factor;
	return rotate(hash, TURN);
}

/* ... of what is asked for ... */
static uint32_t hash_key(struct str key)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < key.len; i++)
		hash += rotate(hash, 19) + (unsigned char)key.at[i];
	return hash;
}

/* ... and of both. */
static uint32_t hash_both(uint32_t key_hash, uint32_t name_hash)
{
	uint32_t both = key_hash ^ name_hash;

	both += both * factor;
	return rotate(both, TURN);
}

static double score(const struct carp *carp, unsigned i, uint32_t key_hash)
{
	return hash_both(key_hash, carp->name_hashes[i]) * carp->multipliers[i];
}

/* ---- weights */

static int compare_weights(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a;
	const struct member *y = *(const struct member *const *)b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return x->peer->index < y->peer->index ? -1 : 1;
}

/* The multipliers with which the highest score falls to each by its share of the weights (CARP
 * draft, section 3.4). */
static void set_multipliers(struct carp *carp, uint64_t weights)
{
	struct member **by_weight = mem_array(carp->n, sizeof(struct member *));
	double product = 1, share_before = 0, before = 0;

	for (unsigned i = 0; i < carp->n; i++)
		by_weight[i] = &carp->members[i];
	qsort(by_weight, carp->n, sizeof(struct member *), compare_weights);
	for (unsigned i = 0; i < carp->n; i++) {
		double left = carp->n - i;
		double share = (double)by_weight[i]->weight / (double)weights;
		double x = left * (share - share_before) / product;

		if (i == 0)
			x = left * share;
		before = pow(x + (i == 0 ? 0 : pow(before, left)), 1 / left);
		carp->multipliers[by_weight[i] - carp->members] = before;
		product *= before;
		share_before = share;
	}
	mem_free(by_weight);
}

struct carp *carp_create(unsigned n)
{
	struct carp *carp = mem_zalloc(sizeof(*carp));

	carp->n = n;
	carp->members = mem_array(n, sizeof(*carp->members));
	carp->name_hashes = mem_array(n, sizeof(*carp->name_hashes));
	carp->multipliers = mem_array(n, sizeof(*carp->multipliers));
	carp->scores = mem_array(n, sizeof(*carp->scores));
	return carp;
}

void carp_destroy(struct carp *carp)
{
	if (!carp)
		return;
	mem_free(carp->members);
	mem_free(carp->name_hashes);
	mem_free(carp->multipliers);
	mem_free(carp->scores);
	mem_free(carp);
}

void carp_set(struct carp *carp, unsigned i, const struct peer *peer, unsigned weight)
{
	carp->members[i] = (struct member){peer, weight};
	carp->name_hashes[i] = hash_name(peer->name);
}

void carp_weigh(struct carp *carp)
{
	uint64_t weights = 0;

	carp->has_one_key = true;
	for (unsigned i = 0; i < carp->n; i++) {
		weights += carp->members[i].weight;
		carp->has_one_key &=
			carp->members[i].peer->carp_key == carp->members[0].peer->carp_key;
	}
	set_multipliers(carp, weights);
	memset(carp->lists, 0, sizeof(carp->lists));
}

/* ---- scores */

const double *carp_scores(struct carp *carp, const struct carp_key *key)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < carp->n; i++) {
		const struct peer *peer = carp->members[i].peer;

		if (i == 0 || peer->carp_key != carp->members[i - 1].peer->carp_key)
			hash = hash_key(key->of(key->owner, peer));
		carp->scores[i] = score(carp, i, hash);
	}
	return carp->scores;
}

static unsigned first_of_all(struct carp *carp, const struct carp_key *key)
{
	const double *scores = carp_scores(carp, key);
	unsigned best = 0;

	for (unsigned i = 1; i < carp->n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}

/* ---- short lists */

/* What the highest score is at least. */
static double least_highest(const struct carp *carp, uint32_t low)
{
	double least = 0;

	for (unsigned i = 0; i < carp->n; i++) {
		uint32_t top = hash_both(low, carp->name_hashes[i]) & ~below_top;

		if (top * carp->multipliers[i] > least)
			least = top * carp->multipliers[i];
	}
	return least;
}

static void fill_list(const struct carp *carp, struct shortlist *list, uint32_t low)
{
	double least = least_highest(carp, low);

	list->n = 0;
	for (unsigned i = 0; i < carp->n && list->n != LONG; i++) {
		uint32_t most = hash_both(low, carp->name_hashes[i]) | below_top;

		if (most * carp->multipliers[i] < least)
			continue;
		if (list->n < LIST_MAX && i <= UINT16_MAX)
			list->at[list->n++] = (uint16_t)i;
		else
			list->n = LONG;
	}
}

unsigned carp_first(struct carp *carp, const struct carp_key *key)
{
	uint32_t hash, low;
	struct shortlist *list;
	unsigned best;

	if (carp->n == 0 || !carp->has_one_key)
		return carp->n == 0 ? 0 : first_of_all(carp, key);
	hash = hash_key(key->of(key->owner, carp->members[0].peer));
	low = hash % NLISTS;
	list = &carp->lists[low];
	if (list->n == UNKNOWN)
		fill_list(carp, list, low);
	if (list->n == LONG)
		return first_of_all(carp, key);
	best = list->at[0];
	for (unsigned i = 1; i < list->n; i++)
		if (score(carp, list->at[i], hash) > score(carp, best, hash))
			best = list->at[i];
	return best;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Each method has a group of peers, with an array for what it looks at for every request: running
 * sums of weights, a heap of whose turn it is; hashes are carp.h's. Whether a peer may be used is
 * asked of the best one only, then of the next best. */
#include "proxy/fetch/balance.h"

#include <stdatomic.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"
#include "proxy/fetch/carp.h"
#include "proxy/fetch/peer_sticky.h"
#include "proxy/fetch/peer_table.h"
#include "squid-compat/peers.h"

enum {
	TURNS_RESET_MS = 300000, /* Squid: round-robin begins anew every five minutes */
	TURNS_START = 1,
	DRAWS = 4,               /* of a peer that may be used, before all are looked at */
	LOOKS = 6,               /* at peers that may be used, while the best of them is busy */
	UNKNOWN_ANSWER_US = 1000,
	HASHED = PEER_SELECT_CARP | PEER_SELECT_SOURCEHASH | PEER_SELECT_USERHASH,
};

static const unsigned methods[] = {
	PEER_SELECT_ROUND_ROBIN, PEER_SELECT_WEIGHTED,   PEER_SELECT_CARP,     PEER_SELECT_SOURCEHASH,
	PEER_SELECT_USERHASH,    PEER_SELECT_LEAST_CONN, PEER_SELECT_PEAK_EWMA,
};

/* What a method knows of a peer; by weight where it counts. */
struct member {
	const struct peer *peer;
	struct peer_state *state;
	unsigned weight;
	uint32_t count;      /* round-robin: turns taken, from TURNS_START on */
	uint64_t weights_to; /* the weights of this and all before it */
};

struct group {
	struct member *members;
	uint32_t *turns; /* count / weight, by member */
	/* A heap of members, whose turn it is first, and the place of each in it: taking turns
	 * costs much the same whatever their number. */
	unsigned *heap, *places;
	struct carp *carp;    /* of the methods that hash */
	const double *scores; /* by member, when the first one may not be used */
	bool *is_out;         /* by member; scratch: may not be used */
	unsigned n;
};

/* One worker's. */
struct balance {
	struct peer_table *table;
	unsigned changes; /* of the table, when the weights were read */
	int64_t reset_ms;
	uint64_t random;
	struct peer_sticky *sticky;
	unsigned selects; /* the methods that have peers */
	struct group groups[COUNT(methods)];
};

/* ---- groups */

static struct group *group_of(struct balance *balance, unsigned select)
{
	size_t i = 0;

	while (methods[i] != select)
		i++;
	return &balance->groups[i];
}

static void fill_group(struct group *group, unsigned select, const struct peers *peers,
		       struct peer_state *const *states)
{
	const struct peer *peer;

	for (peer = peers->first; peer; peer = peer->next)
		group->n += (peer->select & select) != 0;
	group->members = mem_array(group->n, sizeof(*group->members));
	group->turns = mem_array(group->n, sizeof(*group->turns));
	group->heap = mem_array(group->n, sizeof(*group->heap));
	group->places = mem_array(group->n, sizeof(*group->places));
	if (group->n > 0 && (select & HASHED))
		group->carp = carp_create(group->n);
	group->is_out = mem_array(group->n, sizeof(*group->is_out));
	group->n = 0;
	for (peer = peers->first; peer; peer = peer->next)
		if (peer->select & select)
			group->members[group->n++] = (struct member){
				.peer = peer,
				.state = states[peer->index],
			};
}

static void set_weights(struct group *group)
{
	uint64_t weights = 0;

	for (unsigned i = 0; i < group->n; i++) {
		struct member *member = &group->members[i];
		unsigned wanted =
			atomic_load_explicit(&member->state->weight, memory_order_relaxed);

		member->weight = wanted > 0 ? wanted : member->peer->weight;
		if (group->carp)
			carp_set(group->carp, i, member->peer, member->weight);
		weights += member->weight;
		member->weights_to = weights;
	}
	if (group->carp)
		carp_weigh(group->carp);
}

/* The smallest count/weight, a whole number; on a tie the one configured later. So peers of weight
 * 1 and 2 have the turns 2 2 2 1 2 2 1 2 2 1..., as in Squid. */
static bool is_before(const struct group *group, unsigned a, unsigned b)
{
	return group->turns[a] < group->turns[b] || (group->turns[a] == group->turns[b] && a > b);
}

/* Of the one at place and the two under it, where the first lies. */
static unsigned first_of_three(const struct group *group, unsigned place)
{
	unsigned first = place;

	for (unsigned under = 2 * place + 1; under <= 2 * place + 2; under++)
		if (under < group->n && is_before(group, group->heap[under], group->heap[first]))
			first = under;
	return first;
}

static void put_at(struct group *group, unsigned place, unsigned i)
{
	group->heap[place] = i;
	group->places[i] = place;
}

/* Its turn comes later than it did. */
static void sink(struct group *group, unsigned place)
{
	unsigned i = group->heap[place], next;

	while ((next = first_of_three(group, place)) != place) {
		put_at(group, place, group->heap[next]);
		put_at(group, next, i);
		place = next;
	}
}

static void set_turns(struct group *group, bool is_weighed)
{
	for (unsigned i = 0; i < group->n; i++) {
		if (!is_weighed)
			group->members[i].weight = 1;
		group->members[i].count = TURNS_START;
		group->turns[i] = TURNS_START / group->members[i].weight;
		put_at(group, i, i);
	}
	for (unsigned place = group->n / 2; place-- > 0;)
		sink(group, place);
}

/* Turns begin anew now and then, and whenever a peer has come back: nobody has to catch up. */
static void renew(struct balance *balance, int64_t now_ms)
{
	unsigned changes = peer_table_changes(balance->table);

	if (changes == balance->changes && now_ms < balance->reset_ms)
		return;
	balance->changes = changes;
	balance->reset_ms = now_ms + TURNS_RESET_MS;
	for (size_t i = 0; i < COUNT(methods); i++) {
		set_weights(&balance->groups[i]);
		/* Squid: weighs by the round trips of ICP, without which all are equal */
		set_turns(&balance->groups[i], methods[i] != PEER_SELECT_WEIGHTED);
	}
}

struct balance *balance_create(const struct peers *peers, struct peer_state *const *states,
			       struct peer_table *table)
{
	struct balance *balance = mem_zalloc(sizeof(*balance));

	balance->table = table;
	balance->random = random_u64() | 1;
	for (size_t i = 0; i < COUNT(methods); i++)
		fill_group(&balance->groups[i], methods[i], peers, states);
	balance->sticky = peer_sticky_create(peers);
	for (const struct peer *peer = peers->first; peer; peer = peer->next)
		balance->selects |= peer->select;
	return balance;
}

void balance_destroy(struct balance *balance)
{
	if (!balance)
		return;
	for (size_t i = 0; i < COUNT(methods); i++) {
		mem_free(balance->groups[i].members);
		mem_free(balance->groups[i].turns);
		mem_free(balance->groups[i].heap);
		mem_free(balance->groups[i].places);
		carp_destroy(balance->groups[i].carp);
		mem_free(balance->groups[i].is_out);
	}
	peer_sticky_destroy(balance->sticky);
	mem_free(balance);
}

bool balance_has(const struct balance *balance, unsigned select)
{
	return (balance->selects & select) != 0;
}

const struct peer_sticky *balance_sticky(const struct balance *balance)
{
	return balance->sticky;
}

static bool may_use(const struct balance_judge *judge, const struct member *member)
{
	return judge->may_use(judge->owner, member->peer) == BALANCE_YES;
}

static void take_turn(struct group *group, unsigned i)
{
	struct member *member = &group->members[i];

	group->turns[i] = ++member->count / member->weight;
	sink(group, group->places[i]);
}

static void all_are_in(struct group *group)
{
	for (unsigned i = 0; i < group->n; i++)
		group->is_out[i] = false;
}

/* After a few that may not be used: most may not, and each is asked about once. */
static void judge_all(struct group *group, const struct balance_judge *judge)
{
	for (unsigned i = 0; i < group->n; i++)
		group->is_out[i] |= !may_use(judge, &group->members[i]);
}

/* The best one, by better, that may be used; group->n: none. */
static unsigned best_of(struct group *group, const struct balance_judge *judge,
			unsigned (*best)(const struct group *group))
{
	all_are_in(group);
	for (unsigned tries = 0;; tries++) {
		unsigned i = best(group);
		enum balance_verdict verdict;

		if (i == group->n)
			return i;
		verdict = judge->may_use(judge->owner, group->members[i].peer);
		if (verdict == BALANCE_YES)
			return i;
		if (verdict == BALANCE_PASSES) /* what it let pass is not made up for later */
			take_turn(group, i);
		group->is_out[i] = true;
		if (tries == DRAWS)
			judge_all(group, judge);
	}
}

/* ---- turns */

/* When the first one may not be used. */
static unsigned fewest_turns(const struct group *group)
{
	unsigned best = group->n;

	for (unsigned i = 0; i < group->n; i++)
		if (!group->is_out[i] && (best == group->n || is_before(group, i, best)))
			best = i;
	return best;
}

const struct peer *balance_turn(struct balance *balance, unsigned select,
				const struct balance_judge *judge)
{
	struct group *group = group_of(balance, select);
	unsigned i;

	if (group->n == 0)
		return NULL;
	renew(balance, judge->now_ms);
	i = group->heap[0];
	if (!may_use(judge, &group->members[i]))
		i = best_of(group, judge, fewest_turns);
	if (i == group->n)
		return NULL;
	take_turn(group, i);
	return group->members[i].peer;
}

/* ---- hashes */

static unsigned highest_score(const struct group *group)
{
	unsigned best = group->n;

	for (unsigned i = 0; i < group->n; i++)
		if (!group->is_out[i] &&
		    (best == group->n || group->scores[i] > group->scores[best]))
			best = i;
	return best;
}

const struct peer *balance_hashed(struct balance *balance, unsigned select,
				  const struct carp_key *key, const struct balance_judge *judge)
{
	struct group *group = group_of(balance, select);
	unsigned i;

	if (group->n == 0)
		return NULL;
	renew(balance, judge->now_ms);
	i = carp_first(group->carp, key);
	if (!may_use(judge, &group->members[i])) {
		group->scores = carp_scores(group->carp, key);
		i = best_of(group, judge, highest_score);
	}
	return i == group->n ? NULL : group->members[i].peer;
}

/* ---- draws */

/* xorshift64*: quick, and good enough to spread requests. */
static uint64_t draw(struct balance *balance, uint64_t below)
{
	balance->random ^= balance->random >> 12;
	balance->random ^= balance->random << 25;
	balance->random ^= balance->random >> 27;
	return (balance->random * 0x2545F4914F6CDD1DU >> 11) % below;
}

unsigned balance_draw_permille(struct balance *balance)
{
	return (unsigned)draw(balance, 1000);
}

static const struct member *draw_member(struct balance *balance, const struct group *group)
{
	uint64_t at = draw(balance, group->members[group->n - 1].weights_to);
	unsigned low = 0, high = group->n - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (at < group->members[middle].weights_to)
			high = middle;
		else
			low = middle + 1;
	}
	return &group->members[low];
}

static uint64_t requests_of(const struct member *member)
{
	int nactive = atomic_load_explicit(&member->state->nactive, memory_order_relaxed);

	return nactive > 0 ? (uint64_t)nactive : 0;
}

/* How long one request more would take, with those before it. */
static uint64_t wait_us(const struct member *member, int64_t now_ms)
{
	uint64_t us = peer_state_answer_us(member->state, now_ms);

	return (requests_of(member) + 1) * (us > 0 ? us : UNKNOWN_ANSWER_US);
}

/* Fewer requests for its weight; or a shorter wait. */
static bool is_better(const struct member *one, const struct member *other, unsigned select,
		      int64_t now_ms)
{
	if (select == PEER_SELECT_LEAST_CONN)
		return requests_of(one) * other->weight < requests_of(other) * one->weight;
	return wait_us(one, now_ms) < wait_us(other, now_ms);
}

/* Either may be NULL; as good: one. */
static const struct member *better(const struct member *one, const struct member *other,
				   unsigned select, int64_t now_ms)
{
	return !one || (other && is_better(other, one, select, now_ms)) ? other : one;
}

/* One that may be used and is not other; NULL: not found in a few draws. */
static const struct member *draw_usable(struct balance *balance, const struct group *group,
					const struct balance_judge *judge,
					const struct member *other)
{
	for (unsigned tries = 0; tries < DRAWS; tries++) {
		const struct member *member = draw_member(balance, group);

		if (member != other && may_use(judge, member))
			return member;
	}
	return NULL;
}

/* Of equally good ones, one by weight. */
static const struct member *best_member(struct balance *balance, const struct group *group,
					unsigned select, const struct balance_judge *judge)
{
	const struct member *best = NULL;
	uint64_t weights = 0; /* of the equally good ones so far */

	for (unsigned i = 0; i < group->n; i++) {
		const struct member *member = &group->members[i];

		if (!may_use(judge, member) ||
		    (best && is_better(best, member, select, judge->now_ms)))
			continue;
		if (!best || is_better(member, best, select, judge->now_ms))
			weights = 0;
		weights += member->weight;
		if (draw(balance, weights) < member->weight)
			best = member;
	}
	return best;
}

const struct peer *balance_drawn(struct balance *balance, unsigned select,
				 const struct balance_judge *judge)
{
	struct group *group = group_of(balance, select);
	const struct member *best = NULL;

	if (group->n == 0)
		return NULL;
	renew(balance, judge->now_ms);
	/* The better of two; and of a few more while that one is busy: with a peer that is not, no
	 * connection more has to be opened, and fewer are in turn. */
	for (unsigned looks = 0; looks < LOOKS && looks < group->n; looks++) {
		const struct member *drawn = draw_usable(balance, group, judge, best);

		if (!drawn) { /* few may be used: all are looked at */
			const struct member *other = best_member(balance, group, select, judge);

			best = better(best, other, select, judge->now_ms);
			break;
		}
		best = better(best, drawn, select, judge->now_ms);
		if (looks > 0 && requests_of(best) == 0)
			break;
	}
	return best ? best->peer : NULL;
}

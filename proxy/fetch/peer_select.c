/* SPDX-License-Identifier: BSD-2-Clause */
/* First the peer that the configured method prefers (round-robin, first up, default), then every
 * other usable one in the order of the file, then a default one: what fails is tried elsewhere. */
#include "proxy/fetch/peer_select.h"

#include "lib/base/arena.h"
#include "lib/base/heap.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum { TURNS_RESET_MS = 300000, TURNS_START = 1 };

/* One worker's. Squid: round-robin counters start at 1 and begin anew every five minutes, and when
 * the configuration changes. */
struct peer_turns {
	const struct snapshot *of;
	int64_t reset_ms;
	unsigned n;
	unsigned *counts; /* by peer->index */
};

struct peer_turns *peer_turns_create(void)
{
	return mem_zalloc(sizeof(struct peer_turns));
}

void peer_turns_destroy(struct peer_turns *turns)
{
	if (!turns)
		return;
	mem_free(turns->counts);
	mem_free(turns);
}

static void renew_turns(struct peer_turns *turns, const struct snapshot *snapshot, int64_t now_ms)
{
	unsigned n = snapshot_config(snapshot)->peers->n;

	if (turns->of == snapshot && turns->n == n && now_ms < turns->reset_ms)
		return;
	turns->of = snapshot;
	turns->n = n;
	turns->reset_ms = now_ms + TURNS_RESET_MS;
	turns->counts = mem_realloc(turns->counts, n * sizeof(*turns->counts));
	for (unsigned i = 0; i < n; i++)
		turns->counts[i] = TURNS_START;
}

struct selection {
	struct worker *worker;
	const struct snapshot *snapshot;
	struct acl_facts *facts;
	struct peer_candidate *out;
	size_t n, max;
	bool *usable; /* by peer->index */
};

static bool is_usable(struct selection *s, const struct peer *peer)
{
	struct peer_state *state = s->snapshot->peers[peer->index];

	if (peer->is_unusable || peer_type_for(peer, s->facts->host) != PEER_PARENT)
		return false;
	if (peer->max_conn > 0 &&
	    atomic_load_explicit(&state->nconns, memory_order_relaxed) >= (int)peer->max_conn)
		return false;
	if (peer->access && !access_list_allows(peer->access, true, s->facts))
		return false;
	return peer_state_may_try(state, loop_now_ms(s->worker->loop));
}

static void add(struct selection *s, const struct peer *peer, enum log_hier hier)
{
	if (s->n == s->max)
		return;
	if (peer) {
		if (!s->usable[peer->index])
			return;
		s->usable[peer->index] = false;
	}
	s->out[s->n++] = (struct peer_candidate){
		.peer = peer,
		.state = peer ? s->snapshot->peers[peer->index] : NULL,
		.hier = hier,
	};
}

/* The peer with the smallest count/weight, a whole number; on a tie the one configured later. So
 * peers of weight 1 and 2 have the turns 2 2 2 1 2 2 1 2 2 1..., as in Squid. */
static const struct peer *next_turn(struct selection *s)
{
	struct peer_turns *turns = s->worker->turns;
	const struct peer *best = NULL;

	renew_turns(turns, s->snapshot, loop_now_ms(s->worker->loop));
	for (const struct peer *peer = snapshot_config(s->snapshot)->peers->first; peer;
	     peer = peer->next) {
		if (!s->usable[peer->index] ||
		    !(peer->select & (PEER_SELECT_ROUND_ROBIN | PEER_SELECT_WEIGHTED)))
			continue;
		if (!best || turns->counts[peer->index] / peer->weight <=
				     turns->counts[best->index] / best->weight)
			best = peer;
	}
	if (best)
		turns->counts[best->index]++;
	return best;
}

static const struct peer *first_with(struct selection *s, unsigned select)
{
	const struct peer *peer = snapshot_config(s->snapshot)->peers->first;

	while (peer && !(s->usable[peer->index] && (!select || peer->select & select)))
		peer = peer->next;
	return peer;
}

static void add_parents(struct selection *s)
{
	const struct peer *peer = next_turn(s);

	if (peer)
		add(s, peer, LOG_HIER_ROUNDROBIN_PARENT);
	else if ((peer = first_with(s, PEER_SELECT_NONE)))
		add(s, peer, LOG_HIER_FIRSTUP_PARENT);
	for (peer = snapshot_config(s->snapshot)->peers->first; peer; peer = peer->next)
		add(s, peer, LOG_HIER_ANY_OLD_PARENT);
}

size_t peer_select(struct worker *worker, const struct snapshot *snapshot,
		   const struct peer_request *request, struct peer_candidate *out)
{
	const struct config *config = snapshot_config(snapshot);
	struct selection s = {
		.worker = worker,
		.snapshot = snapshot,
		.facts = request->facts,
		.out = out,
		.max = config->forward_max_tries < PEER_MAX_CANDIDATES
			       ? (size_t)config->forward_max_tries
			       : PEER_MAX_CANDIDATES,
	};
	bool may_go_direct;

	if (config->always_direct && access_list_allows(config->always_direct, false, s.facts)) {
		add(&s, NULL, LOG_HIER_DIRECT);
		return s.n;
	}
	may_go_direct = request->may_go_direct &&
			!access_list_allows(config->never_direct, false, s.facts);
	s.usable = arena_alloc(s.facts->arena, config->peers->n);
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		s.usable[peer->index] = is_usable(&s, peer);
	if (may_go_direct && config->prefer_direct)
		add(&s, NULL, LOG_HIER_DIRECT);
	add_parents(&s);
	if (may_go_direct && !config->prefer_direct)
		add(&s, NULL, LOG_HIER_DIRECT);
	return s.n;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb peer: list; drain NAME; undrain NAME; weight NAME N. What is said stays until it is
 * taken back, or the program ends: reloads, upgrades and serving processes that die leave it as it
 * is. */
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "proxy/control/control_verbs.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/serve.h"
#include "proxy/server.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

/* How long ago, in a word: "12s", "3h". */
static void say_age(char out[24], int64_t since_us)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t age_s = (clock_mono_us() - since_us) / 1000000;
	size_t i = 0;

	if (since_us == 0) {
		str_copy(STR("-"), out, 24);
		return;
	}
	while (units[i].seconds > 1 && age_s < 2 * units[i].seconds)
		i++;
	snprintf(out, 24, "%lld%c", (long long)(age_s / units[i].seconds), units[i].unit);
}

static void say_peer(struct control_call *call, const struct peer *peer, struct peer_state *state)
{
	unsigned weight = atomic_load_explicit(&state->weight, memory_order_relaxed);
	bool is_drained = atomic_load_explicit(&state->is_drained, memory_order_relaxed);
	char why[PEER_REASON_BYTES], age[24];

	say_age(age, atomic_load_explicit(&state->since_us, memory_order_relaxed));
	control_say(call, "%.*s\t%s%s\t%s\t%u\t%d\t%d\t%u\t%s", STR_ARG(peer->name),
		    peer_state_is_up(state) ? "up" : "down", is_drained ? ",drained" : "", age,
		    weight > 0 ? weight : peer->weight,
		    atomic_load_explicit(&state->nactive, memory_order_relaxed),
		    atomic_load_explicit(&state->nwaiting, memory_order_relaxed),
		    atomic_load_explicit(&state->nfetches, memory_order_relaxed),
		    peer_state_reason(state, why));
}

static void list(struct control_call *call, const struct peers *peers)
{
	struct peer_table *table = control_server(call)->peers;

	control_say(call, "name\tstate\tsince\tweight\tactive\twaiting\trequests\treason");
	for (const struct peer *peer = peers->first; peer; peer = peer->next)
		say_peer(call, peer, peer_table_get(table, peer->name));
	control_end(call);
}

static void drain(struct control_call *call, struct peer_state *state)
{
	peer_state_drain(state, true);
	serve_keep_wishes(control_serve(call));
	control_end(call);
}

static void undrain(struct control_call *call, struct peer_state *state)
{
	peer_state_drain(state, false);
	serve_keep_wishes(control_serve(call));
	control_end(call);
}

static void set_weight(struct control_call *call, struct peer_state *state)
{
	struct str word = control_word(call, 2);
	uint64_t weight;

	if (!str_to_u64(word, &weight) || weight > PEER_MAX_WEIGHT) {
		control_fail(call, "a weight is a number from 1 to %d, or 0: the configuration's",
			     PEER_MAX_WEIGHT);
		return;
	}
	peer_state_set_weight(state, (unsigned)weight);
	serve_keep_wishes(control_serve(call));
	control_end(call);
}

static const struct {
	struct str name;
	unsigned nwords; /* behind it */
	void (*run)(struct control_call *call, struct peer_state *state);
} actions[] = {
	{{"drain", 5}, 1, drain},
	{{"undrain", 7}, 1, undrain},
	{{"weight", 6}, 2, set_weight},
};

void control_run_peer(struct control_call *call)
{
	const struct peers *peers = serve_config(control_serve(call))->peers;
	struct str action = control_word(call, 0), name = control_word(call, 1);
	const struct peer *peer;
	size_t i = 0;

	if (str_eq(action, STR("list"))) {
		list(call, peers);
		return;
	}
	while (i < COUNT(actions) && !str_eq(action, actions[i].name))
		i++;
	if (i == COUNT(actions) || !control_word(call, actions[i].nwords).at) {
		control_fail(call, "say list, drain NAME, undrain NAME or weight NAME N");
		return;
	}
	peer = peers_find(peers, name);
	if (!peer)
		control_fail(call, "there is no cache_peer %.*s", STR_ARG(name));
	else
		actions[i].run(call, peer_table_get(control_server(call)->peers, peer->name));
}

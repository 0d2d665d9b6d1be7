/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_wishes.h"

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "proxy/fetch/peer_table.h"
#include "squid-compat/peers.h"

void peer_wishes_write(const struct peers *peers, struct peer_table *table, struct buf *out)
{
	for (const struct peer *peer = peers->first; peer && !out->is_full; peer = peer->next) {
		struct peer_state *state = peer_table_get(table, peer->name);
		unsigned weight = atomic_load_explicit(&state->weight, memory_order_relaxed);
		bool is_drained = atomic_load_explicit(&state->is_drained, memory_order_relaxed);

		if (is_drained || weight > 0)
			buf_printf(out, "%d %u %.*s\n", is_drained, weight, STR_ARG(peer->name));
	}
}

static bool take_number(struct str *line, uint64_t *out)
{
	struct str word;

	return str_word(line, &word) && str_to_u64(word, out);
}

void peer_wishes_take(const struct peers *peers, struct peer_table *table, struct str lines)
{
	struct str line;

	while (str_split(&lines, '\n', &line)) {
		uint64_t is_drained, weight;
		const struct peer *peer;
		struct peer_state *state;

		if (!take_number(&line, &is_drained) || !take_number(&line, &weight) ||
		    weight > PEER_MAX_WEIGHT || !(peer = peers_find(peers, str_trim(line))))
			continue;
		state = peer_table_get(table, peer->name);
		if (is_drained)
			peer_state_drain(state, true);
		if (weight > 0)
			peer_state_set_weight(state, (unsigned)weight);
	}
}

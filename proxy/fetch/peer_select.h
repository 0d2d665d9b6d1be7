/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_select.h: which peers a request may be sent to, in which order. Squid:
 * peer_select. The next one is looked for when it is needed, so that those that are not asked cost
 * nothing.
 *
 * Threads: one worker's (round-robin counts per worker). */
#ifndef PROXY_PEER_SELECT_H
#define PROXY_PEER_SELECT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "squid-compat/acl/acl.h"
#include "squid-compat/log/log_tags.h"

struct balance;
struct peer;
struct peer_state;
struct snapshot;
struct worker;

enum { PEER_MAX_CANDIDATES = 32 };

struct peer_candidate {
	const struct peer *peer;  /* NULL: direct, to the URL's own host */
	struct peer_state *state; /* NULL for direct */
	enum log_hier hier;
	bool waits; /* it has max-conn requests: this one waits (peer_queue.h) */
};

struct peer_request {
	bool may_go_direct; /* the port's allow-direct */
	struct acl_facts *facts;
};

/* A search under way; snapshot and facts must outlive it. */
struct peer_selection {
	struct peer_candidate at[PEER_MAX_CANDIDATES]; /* those found so far */
	size_t n;
	bool is_overloaded; /* one was passed over since too many requests wait for it */
	/* private */
	struct worker *worker_;
	const struct snapshot *snapshot_;
	struct acl_facts *facts_;
	struct balance *balance_;
	const struct peer *walk_; /* in the order of the file */
	uint8_t *verdicts_;       /* enum verdict, by peer->index */
	size_t max_;
	unsigned phase_;
	bool may_go_direct_;
	bool takes_suspects_; /* nobody else is left */
};

void peer_selection_begin(struct peer_selection *selection, struct worker *worker,
			  const struct snapshot *snapshot, const struct peer_request *request);

/* Looks for one more; false: there is none (or forward_max_tries are found). */
bool peer_selection_next(struct peer_selection *selection);

#endif

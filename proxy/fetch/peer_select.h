/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_select.h: which peers a request may be sent to, in which order. Squid: peer_select.
 *
 * Threads: one worker's (round-robin counts per worker). */
#ifndef PROXY_PEER_SELECT_H
#define PROXY_PEER_SELECT_H
#include <stdbool.h>
#include <stddef.h>

#include "squid-compat/acl.h"
#include "squid-compat/log_tags.h"

struct peer;
struct peer_state;
struct peer_turns;
struct snapshot;
struct worker;

enum { PEER_MAX_CANDIDATES = 32 };

struct peer_candidate {
	const struct peer *peer;  /* NULL: direct, to the URL's own host */
	struct peer_state *state; /* NULL for direct */
	enum log_hier hier;
};

struct peer_request {
	bool may_go_direct; /* the port's allow-direct */
	struct acl_facts *facts;
};

/* Fills at most PEER_MAX_CANDIDATES (and forward_max_tries); returns how many. */
size_t peer_select(struct worker *worker, const struct snapshot *snapshot,
		   const struct peer_request *request, struct peer_candidate *out);

struct peer_turns *peer_turns_create(void);
void peer_turns_destroy(struct peer_turns *turns); /* accepts NULL */

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Who leaves looks for who waits, and who begins to wait looks for a place: each after it has said
 * what it did (nactive, nwaiting; sequentially consistent), so that one of them sees the other. */
#include "proxy/fetch/peer_queue.h"

#include "lib/base/heap.h"
#include "lib/net/loop.h"
#include "proxy/fetch/peer_table.h"

struct peer_ticket {
	struct list node; /* state->shared.waiting, or those that are let in */
	struct mail mail;
	struct peer_state *state;
	struct loop *loop;
	unsigned max;
	bool is_let_in; /* guarded by the state's lock */
	void (*granted)(void *owner);
	void *owner; /* NULL: gave up while the mail was under way */
};

bool peer_enter(struct peer_state *state, unsigned max)
{
	int n = atomic_load(&state->nactive);

	do {
		if (max > 0 && n >= (int)max)
			return false;
	} while (!atomic_compare_exchange_weak(&state->nactive, &n, n + 1));
	return true;
}

static void deliver(struct mail *mail)
{
	struct peer_ticket *ticket = CONTAINER(mail, struct peer_ticket, mail);

	if (ticket->owner)
		ticket->granted(ticket->owner);
	else
		peer_leave(ticket->state);
	mem_free(ticket);
}

/* Lets in as many as there are places for. */
static void let_in(struct peer_state *state)
{
	struct list let_in, *node;

	list_init(&let_in);
	lock_take(&state->shared.lock);
	while (!list_is_empty(&state->shared.waiting)) {
		struct peer_ticket *first =
			CONTAINER(state->shared.waiting.next, struct peer_ticket, node);

		if (!peer_enter(state, first->max))
			break;
		first->is_let_in = true;
		list_remove(&first->node);
		list_push_back(&let_in, &first->node);
		atomic_fetch_sub(&state->nwaiting, 1);
	}
	lock_drop(&state->shared.lock);
	while ((node = list_pop_front(&let_in))) {
		struct peer_ticket *ticket = CONTAINER(node, struct peer_ticket, node);

		loop_post(ticket->loop, &ticket->mail); /* it may be gone now */
	}
}

void peer_leave(struct peer_state *state)
{
	atomic_fetch_sub(&state->nactive, 1);
	if (atomic_load(&state->nwaiting) > 0)
		let_in(state);
}

struct peer_ticket *peer_wait(struct peer_state *state, unsigned max, unsigned max_waiting,
			      struct loop *loop, void (*granted)(void *owner), void *owner)
{
	struct peer_ticket *ticket;

	if (atomic_load(&state->nwaiting) >= (int)max_waiting)
		return NULL;
	ticket = mem_alloc(sizeof(*ticket));
	*ticket = (struct peer_ticket){
		.mail.deliver = deliver,
		.state = state,
		.loop = loop,
		.max = max,
		.granted = granted,
		.owner = owner,
	};
	lock_take(&state->shared.lock);
	list_push_back(&state->shared.waiting, &ticket->node);
	atomic_fetch_add(&state->nwaiting, 1);
	lock_drop(&state->shared.lock);
	let_in(state);
	return ticket;
}

void peer_ticket_cancel(struct peer_ticket *ticket)
{
	bool is_let_in;

	if (!ticket)
		return;
	lock_take(&ticket->state->shared.lock);
	is_let_in = ticket->is_let_in;
	if (!is_let_in) {
		list_remove(&ticket->node);
		atomic_fetch_sub(&ticket->state->nwaiting, 1);
	}
	lock_drop(&ticket->state->shared.lock);
	if (is_let_in)
		ticket->owner = NULL; /* its mail comes on this thread */
	else
		mem_free(ticket);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* JOIN: somebody else's fetch, whose head is not there yet. What is waited for is mostly the
 * placeholder of that fetch, aborted when the head has come: then the look-up finds the answer, if
 * it may be shared and fits; if not, everybody fetches for himself, without waiting again. When its
 * client left, or nothing came for PATIENCE_MS, the first of those who waited fetches for the
 * others. The same for what was fetched and is not on disk yet (proxy/store/lingering.h). */
#include <errno.h>

#include "cache/index.h"
#include "cache/object.h"
#include "cache/vary.h"
#include "lib/base/hash.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/store/unshared.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

#define RENEWAL UINT64_C(0x9e3779b97f4a7c15) /* apart from where the answers are kept */

enum {
	PATIENCE_MS = 5000,      /* then the origin may well hang, */
	DISK_PATIENCE_MS = 1000, /* or the device */
};

/* ---- who may */

bool transaction_may_collapse(struct transaction *t)
{
	const struct access_list *list = transaction_config(t)->collapsed_forwarding_access;

	return !list || access_list_allows(list, true, &t->facts);
}

bool transaction_may_join(struct transaction *t, uint64_t key)
{
	return !t->has_joined && !(t->control.flags & CC_ONLY_IF_CACHED) &&
	       transaction_may_collapse(t) &&
	       !unshared_has(t->worker->unshared, key, worker_now_s(t->worker));
}

/* ---- waiting */

static void joined_woke(void *owner)
{
	transaction_resume(owner);
}

static void waited_enough(struct timer *timer)
{
	transaction_resume(CONTAINER(timer, struct transaction, join_timer));
}

static void begin_to_wait(struct transaction *t)
{
	struct loop *loop = t->worker->loop;
	int64_t patience_ms = t->object->stands_for_disk ? DISK_PATIENCE_MS : PATIENCE_MS;

	object_reader_open(&t->exchange.reply.reader, t->object, 0, loop, joined_woke, t);
	timer_init(&t->join_timer, waited_enough);
	timer_set(loop, &t->join_timer, loop_now_ms(loop) + patience_ms);
}

/* Whoever else waits for it as well finds what is begun now, when his patience ends. Nobody else
 * waits for a disk that hangs, or that another program holds. */
static enum transaction_state give_up(struct transaction *t)
{
	if (t->object->stands_for_disk)
		index_remove(t->worker->server->index, t->object);
	object_reader_close(&t->exchange.reply.reader);
	object_unref(t->given_up);
	t->given_up = t->object;
	t->object = NULL;
	t->forward = FORWARD_NONE;
	return TRANSACTION_LOOKUP;
}

enum transaction_state transaction_run_join(struct transaction *t)
{
	struct object_reader *reader = &t->exchange.reply.reader;

	if (!reader->object)
		begin_to_wait(t);
	if (object_reader_head(reader) == OBJECT_READ_WAIT)
		return t->join_timer.deadline_ms == 0 ? give_up(t) : TRANSACTION_JOIN;
	timer_cancel(&t->join_timer);
	object_reader_close(reader);
	t->has_joined = object_abort_error(t->object) != ECONNABORTED;
	if (!t->has_joined)
		t->forward = FORWARD_NONE;
	else if (t->forward == FORWARD_NONE)
		t->forward = FORWARD_URI_MISS;
	if (object_state(t->object) != OBJECT_ABORTED &&
	    vary_matches(t->object->vary, &transaction_request(t)->head))
		return TRANSACTION_DECIDE;
	object_unref(t->object);
	t->object = NULL;
	return TRANSACTION_LOOKUP;
}

/* ---- one request to the origin for all that find the same response stale */

uint64_t transaction_renewal_key(const struct transaction *t)
{
	return t->key ^ hash_str(t->object->vary, RENEWAL);
}

/* By those who wait: in memory, or on disk. */
static bool is_found_when_renewed(const struct transaction *t)
{
	return t->is_from_disk ||
	       (object_is_whole(t->object) &&
	        object_memory_bytes(t->object) <= (uint64_t)transaction_config(t)->cache_mem_bytes);
}

bool transaction_may_share_renewal(struct transaction *t)
{
	return t->forward == FORWARD_STALE && t->freshness.age_s + t->freshness.left_s > 0 &&
	       !(t->object->facts.flags & FACT_REVALIDATE_ALWAYS) && is_found_when_renewed(t) &&
	       transaction_may_join(t, transaction_renewal_key(t));
}

static struct object *find_renewal(struct transaction *t)
{
	bool has_head;

	return index_find_told(t->worker->server->index, transaction_renewal_key(t), t->cache_url,
	                       &transaction_request(t)->head, &has_head);
}

bool transaction_join_renewal(struct transaction *t)
{
	struct object *placeholder = find_renewal(t);

	if (!placeholder || placeholder == t->given_up) {
		object_unref(placeholder);
		return false;
	}
	object_unref(t->object);
	t->object = placeholder;
	t->is_promotion_due = t->is_from_disk = false;
	t->ndisks_asked = 0;
	return true;
}

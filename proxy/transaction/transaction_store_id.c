/* SPDX-License-Identifier: BSD-2-Clause */
/* store_id_program: what it is asked, and the key under which the cache keeps the response. */
#include "helpers/store_id.h"

#include "lib/base/log.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

static void store_id_done(struct helper_request *request)
{
	struct transaction *t = CONTAINER(request, struct transaction, store_id);

	t->waiting &= ~(unsigned)WAIT_STORE_ID;
	transaction_resume(t);
}

/* That no helper answered is true of many requests at a time: the pool says it, and counts. */
static enum transaction_state take(struct transaction *t)
{
	const struct helper_reply *reply = t->store_id.reply;
	struct err_text complaint;
	struct str id = store_id_read(reply, &complaint);
	enum transaction_state next;

	if (complaint.at[0])
		log_say(reply->code >= HELPER_TIMEOUT ? 2 : 1, "%s", complaint.at);
	if (transaction_fails_without(t, transaction_config(t)->store_id, reply, &next))
		return next;
	transaction_add_notes(t, reply->pairs, reply->npairs);
	if (id.at)
		t->cache_url = arena_str(&t->arena, id);
	return TRANSACTION_CACHE_ACCESS;
}

enum transaction_state transaction_run_store_id(struct transaction *t)
{
	struct acl_result result = {0};

	t->cache_url = t->url;
	if (!t->snapshot->store_id)
		return TRANSACTION_CACHE_ACCESS;
	if (t->store_id.reply)
		return take(t);
	if (t->waiting)
		return TRANSACTION_STORE_ID;
	switch (access_ask(t, transaction_config(t)->store_id_access, ACL_ALLOW, &result)) {
	case ACL_NEED:
		return TRANSACTION_STORE_ID;
	case ACL_DENY:
		return TRANSACTION_CACHE_ACCESS;
	case ACL_ALLOW:
		break;
	}
	t->store_id.done = store_id_done;
	if (!transaction_ask_of_url(t, t->snapshot->store_id, transaction_config(t)->store_id,
	                            &t->store_id))
		return transaction_refuse(t, 414, ERROR_GATEWAY_FAILURE);
	t->waiting |= WAIT_STORE_ID;
	return TRANSACTION_STORE_ID;
}

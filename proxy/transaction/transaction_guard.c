/* SPDX-License-Identifier: BSD-2-Clause */
/* What is refused before (and right behind) http_access for its number, or for whom it is from:
 * rate_limit, ban; and what counts for a ban. */
#include "lib/base/log.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/bans.h"
#include "proxy/limits/rate_limits.h"
#include "proxy/server.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/notes.h"

void transaction_note_denial(struct transaction *t, const char *directive, struct str rule)
{
	char client[ADDR_TEXT_BYTES];
	struct str reason =
		arena_printf(&t->arena, "%s %.*s", directive, STR_ARG(rule));

	notes_set(&t->notes, &t->arena, STR("denied_by"), reason);
	log_say(2, "refused a request of %s for %.*s: %.*s",
		addr_ip_text(t->is_indirect ? &t->indirect : &t->exchange.client, client),
		STR_ARG(t->url), STR_ARG(reason));
}

static bool is_over_limit(struct transaction *t, bool needs_user)
{
	struct rate_refusal refusal;

	if (!t->snapshot->rate_limits ||
	    !rate_limits_refuse(t->snapshot->rate_limits, needs_user, &t->facts,
				loop_now_ms(t->worker->loop), &refusal))
		return false;
	transaction_note_denial(t, "rate_limit", refusal.name);
	t->retry_after_s = refusal.retry_after_s;
	t->tag = LOG_TCP_DENIED;
	return true;
}

/* As ACLs see it. */
static bool is_banned(const struct transaction *t)
{
	const struct addr *client = t->facts.indirect ? t->facts.indirect : t->facts.client;

	return t->snapshot->has_bans && client &&
	       ban_table_has(t->worker->server->bans, client, worker_now_s(t->worker));
}

enum transaction_state transaction_run_guard(struct transaction *t)
{
	t->was_guarded = true;
	if (is_banned(t)) {
		transaction_note_denial(t, "ban", STR("of the address"));
		t->tag = LOG_TCP_DENIED;
		t->exchange.reply.close_after = !t->is_indirect;
		return transaction_refuse(t, 403, ERROR_ACCESS_DENIED);
	}
	if (is_over_limit(t, false))
		return transaction_refuse(t, 429, ERROR_TOO_MANY_REQUESTS);
	return TRANSACTION_HTTP_ACCESS;
}

enum transaction_state transaction_run_user_guard(struct transaction *t)
{
	if (is_over_limit(t, true))
		return transaction_refuse(t, 429, ERROR_TOO_MANY_REQUESTS);
	return TRANSACTION_REWRITE;
}

void transaction_count_for_bans(struct transaction *t)
{
	bool has_failed_login;

	if (!t->snapshot->bans || t->is_background || t->is_refused)
		return;
	has_failed_login = t->facts.auth == ACL_AUTH_FAILED && !t->is_auth_stale &&
			   (t->exchange.reply.status == 401 || t->exchange.reply.status == 403);
	transaction_set_reply_facts(t);
	if (t->facts.status == 0) /* a page made here has no object */
		t->facts.status = t->exchange.reply.status;
	bans_count(t->snapshot->bans, &t->facts, has_failed_login, loop_now_ms(t->worker->loop),
		   worker_now_s(t->worker));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What is refused before (and right behind) http_access for its number: rate_limit. */
#include "lib/base/log.h"
#include "proxy/limits/rate_limits.h"
#include "proxy/transaction/transaction_internal.h"
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

enum transaction_state transaction_run_guard(struct transaction *t)
{
	t->was_guarded = true;
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

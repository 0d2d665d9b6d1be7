/* SPDX-License-Identifier: BSD-2-Clause */
/* url_rewrite_program: what it is asked, what its answer does to the request. */
#include <inttypes.h>

#include "helpers/url_rewrite.h"
#include "lib/base/log.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/rewrite_config.h"

bool transaction_ask_of_url(struct transaction *t, struct helper_pool *pool,
                            const struct rewrite_config *config, struct helper_request *request)
{
	struct buf extras, line;
	bool ok;

	buf_init(&extras, 16384);
	buf_init(&line, URL_REWRITE_MAX_ASK_BYTES);
	transaction_render(t, config->extras, &extras);
	ok = url_rewrite_line(t->url, buf_str(&extras), &line);
	if (ok) {
		request->loop = t->worker->loop;
		helper_pool_ask(pool, request, buf_str(&line));
	}
	buf_fini(&extras);
	buf_fini(&line);
	return ok;
}

static void rewrite_done(struct helper_request *request)
{
	struct transaction *t = CONTAINER(request, struct transaction, rewrite);

	t->waiting &= ~(unsigned)WAIT_REWRITE;
	transaction_resume(t);
}

static void take_new_url(struct transaction *t, struct str url)
{
	struct port_url parts;
	struct buf text;

	buf_init(&text, TRANSACTION_URL_BYTES);
	if (port_url_absolute(url, transaction_config(t)->url_rules, &text, &parts) ==
	    PORT_URL_OK) {
		t->url = arena_str(&t->arena, buf_str(&text));
		t->parts = parts;
		t->was_rewritten = !str_eq(t->url, t->client_url);
		access_set_url_facts(t);
		transaction_forget_externals(t, false);
	} else {
		log_say(1, "ERROR: URL-rewrite produces invalid request: %.*s %.*s HTTP/1.1",
		        STR_ARG(t->facts.method), STR_ARG(url));
	}
	buf_fini(&text);
}

enum { COMPLAIN_EVERY_S = 60 };

/* That no helper answered is true of many requests at a time: said once a minute, and counted. */
static void complain(struct transaction *t, const struct url_rewrite_verdict *verdict)
{
	struct worker *worker = t->worker;
	int64_t now_s = loop_now_ms(worker->loop) / 1000;

	if (t->rewrite.reply->code < HELPER_TIMEOUT) {
		log_say(verdict->complaint_level, "%s", verdict->complaint.at);
		return;
	}
	worker->nunrewritten++;
	if (worker->unrewritten_said_s != 0 &&
	    now_s - worker->unrewritten_said_s < COMPLAIN_EVERY_S)
		return;
	log_say(verdict->complaint_level, "%s (%" PRIu64 " requests since the last such line)",
	        verdict->complaint.at, worker->nunrewritten);
	worker->nunrewritten = 0;
	worker->unrewritten_said_s = now_s;
}

bool transaction_fails_without(struct transaction *t, const struct rewrite_config *config,
			       const struct helper_reply *reply, enum transaction_state *next)
{
	bool is_silence =
		reply->code == HELPER_GONE || reply->code == HELPER_BUSY ||
		reply->code == HELPER_BH ||
		(reply->code == HELPER_TIMEOUT && config->on_timeout == REWRITE_TIMEOUT_NONE);

	if (!is_silence)
		return false;
	if (config->children.on_error == HELPER_ON_ERROR_503)
		*next = transaction_refuse(t, 503, ERROR_GATEWAY_FAILURE);
	else if (config->children.on_error == HELPER_ON_ERROR_DENY)
		*next = transaction_refuse(t, 403, ERROR_ACCESS_DENIED);
	else
		return false;
	return true;
}

static enum transaction_state take_rewrite(struct transaction *t)
{
	const struct rewrite_config *config = transaction_config(t)->url_rewrite;
	struct url_rewrite_verdict verdict;
	enum transaction_state next;

	url_rewrite_read(t->rewrite.reply, t->facts.method, snapshot_rewrite_policy(t->snapshot),
	                 &verdict);
	if (verdict.complaint.at[0])
		complain(t, &verdict);
	if (transaction_fails_without(t, config, t->rewrite.reply, &next))
		return next;
	if (t->rewrite.reply->code == HELPER_GONE && !config->is_bypass_on &&
	    config->children.on_error != HELPER_ON_ERROR_BYPASS)
		return transaction_refuse(t, 503, ERROR_GATEWAY_FAILURE);
	transaction_add_notes(t, t->rewrite.reply->pairs, t->rewrite.reply->npairs);
	if (verdict.group.at)
		notes_set(&t->notes, &t->arena, STR("urlgroup"), verdict.group);
	switch (verdict.action) {
	case URL_REWRITE_REDIRECT:
		t->tag = LOG_TCP_REDIRECT;
		return reply_redirect(t, verdict.status, verdict.url);
	case URL_REWRITE_FAIL:
		return transaction_refuse(t, 500, ERROR_GATEWAY_FAILURE);
	case URL_REWRITE_TO:
		take_new_url(t, verdict.url);
		break;
	case URL_REWRITE_UNCHANGED:
		break;
	}
	return TRANSACTION_ADAPTED_ACCESS;
}

enum transaction_state transaction_run_rewrite(struct transaction *t)
{
	struct acl_result result = {0};

	if (!t->snapshot->url_rewrite)
		return TRANSACTION_ADAPTED_ACCESS;
	if (t->rewrite.reply)
		return take_rewrite(t);
	if (t->waiting)
		return TRANSACTION_REWRITE;
	switch (access_ask(t, transaction_config(t)->url_rewrite_access, ACL_ALLOW, &result)) {
	case ACL_NEED:
		return TRANSACTION_REWRITE;
	case ACL_DENY:
		return TRANSACTION_ADAPTED_ACCESS;
	case ACL_ALLOW:
		break;
	}
	t->rewrite.done = rewrite_done;
	if (!transaction_ask_of_url(t, t->snapshot->url_rewrite, transaction_config(t)->url_rewrite,
	                            &t->rewrite))
		return transaction_refuse(t, 414, ERROR_GATEWAY_FAILURE);
	t->waiting |= WAIT_REWRITE;
	return TRANSACTION_REWRITE;
}

enum transaction_state transaction_run_adapted_access(struct transaction *t)
{
	struct acl_result result = {0};

	switch (access_ask(t, transaction_config(t)->adapted_http_access, ACL_ALLOW, &result)) {
	case ACL_NEED:
		return TRANSACTION_ADAPTED_ACCESS;
	case ACL_DENY:
		return reply_denied(t, &result, LOG_TCP_DENIED, ERROR_ACCESS_DENIED);
	case ACL_ALLOW:
		break;
	}
	return TRANSACTION_STORE_ID;
}

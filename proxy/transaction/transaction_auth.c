/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is the client? The scheme that its credentials name is asked; what it says becomes facts for the
 * ACLs, the user of the log, notes. Without an answer that lets him in, he is told what would be
 * accepted. Squid: auth_param, auth_schemes. */
#include "helpers/auth_basic.h"
#include "helpers/auth_bearer.h"
#include "helpers/auth_digest.h"
#include "helpers/auth_text.h"
#include "lib/http/message.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/auth_schemes.h"
#include "squid-compat/config.h"

/* ---- asking */

static enum auth_verdict check_basic(struct transaction *t, struct str credentials,
				     struct str extras)
{
	return auth_basic_check(t->snapshot->auth.basic, credentials, extras, &t->auth);
}

static enum auth_verdict check_digest(struct transaction *t, struct str credentials,
				      struct str extras)
{
	const struct http_request *request = &t->exchange.request;
	const struct auth_digest_request asked = {
		.credentials = credentials,
		.method = http_span(&request->head, request->method_text),
		.target = http_span(&request->head, request->target),
		.extras = extras,
	};

	return auth_digest_check(t->snapshot->auth.digest, &asked, &t->auth);
}

static enum auth_verdict check_bearer(struct transaction *t, struct str credentials,
				      struct str extras)
{
	return auth_bearer_check(t->snapshot->auth.bearer, credentials, extras, &t->auth);
}

/* ---- challenges */

static void add_basic(struct transaction *t, struct str name, struct buf *out)
{
	buf_add_str(out, name);
	buf_add_str(out, STR(": "));
	buf_add_str(out, auth_basic_challenge(t->snapshot->auth.basic));
	buf_add_str(out, STR("\r\n"));
}

static void add_digest(struct transaction *t, struct str name, struct buf *out)
{
	auth_digest_add_challenge(t->snapshot->auth.digest, name, t->is_auth_stale,
				  loop_now_ms(t->worker->loop), out);
}

static void add_bearer(struct transaction *t, struct str name, struct buf *out)
{
	bool was_refused = t->auth_scheme == AUTH_BEARER && t->facts.auth == ACL_AUTH_FAILED;

	auth_bearer_add_challenge(t->snapshot->auth.bearer, name, was_refused,
				  was_refused ? t->auth_answer : NULL, out);
}

static const struct scheme {
	struct str name;
	enum auth_verdict (*ask)(struct transaction *t, struct str credentials,
				   struct str extras);
	void (*add_challenge)(struct transaction *t, struct str name, struct buf *out);
} schemes[AUTH_KINDS] = {
	[AUTH_BASIC] = {STR("Basic"), check_basic, add_basic},
	[AUTH_DIGEST] = {STR("Digest"), check_digest, add_digest},
	[AUTH_BEARER] = {STR("Bearer"), check_bearer, add_bearer},
};

/* Squid: who failed with Digest is asked for nothing else. */
static bool is_asked_alone(const struct transaction *t)
{
	return t->auth_scheme == AUTH_DIGEST && t->facts.auth == ACL_AUTH_FAILED && t->auth_answer;
}

void transaction_add_challenges(struct transaction *t, struct buf *head)
{
	const struct config *config = transaction_config(t);
	const struct str name = STR("WWW-Authenticate");
	enum auth_kind kinds[AUTH_KINDS];
	size_t n;

	if (!t->snapshot->auth.is_any)
		return;
	if (is_asked_alone(t)) {
		schemes[t->auth_scheme].add_challenge(t, name, head);
		return;
	}
	n = auth_schemes_offered(config->auth_schemes, config->auth, &t->facts, kinds);
	for (size_t i = 0; i < n; i++)
		if (schemes[kinds[i]].add_challenge)
			schemes[kinds[i]].add_challenge(t, name, head);
}

/* ---- the fact */

static void take_auth(struct transaction *t)
{
	struct auth_query *query = &t->auth;

	if (query->answer) {
		t->lacks_helper |= query->answer->reply->code == HELPER_GONE;
		t->auth_answer = auth_answer_ref(query->answer);
		t->user = t->auth_answer->user;
		transaction_add_notes(t, t->auth_answer->reply->pairs,
				      t->auth_answer->reply->npairs);
	}
	t->is_auth_stale = query->is_stale;
	t->facts.auth = query->verdict == AUTH_OK ? ACL_AUTH_OK : ACL_AUTH_FAILED;
	t->facts.user = query->verdict == AUTH_OK ? t->user : STR_NONE;
	auth_query_fini(query);
}

static void auth_done(struct auth_query *query)
{
	struct transaction *t = CONTAINER(query, struct transaction, auth);

	t->waiting &= ~(unsigned)WAIT_AUTH;
	take_auth(t);
	transaction_resume(t);
}

/* The scheme that credentials are of, if it is there; NULL: none. */
static const struct scheme *find_scheme(const struct transaction *t, struct str credentials)
{
	struct str rest;

	for (unsigned i = 0; i < AUTH_KINDS; i++)
		if (t->snapshot->auth.pools[i] &&
		    auth_take_scheme(credentials, schemes[i].name, &rest))
			return &schemes[i];
	return NULL;
}

bool transaction_fetch_auth(struct transaction *t)
{
	struct str credentials = http_value(&t->exchange.request.head, FIELD_AUTHORIZATION);
	const struct scheme *scheme = find_scheme(t, credentials);
	enum auth_verdict verdict;
	struct buf extras;

	if (!scheme) {
		t->facts.auth = ACL_AUTH_NONE;
		return true;
	}
	t->auth_scheme = (enum auth_kind)(scheme - schemes);
	t->auth.loop = t->worker->loop;
	t->auth.done = auth_done;
	buf_init(&extras, AUTH_MAX_BYTES);
	transaction_render(t, transaction_config(t)->auth->schemes[t->auth_scheme].key_extras,
			   &extras);
	verdict = scheme->ask(t, credentials, buf_str(&extras));
	buf_fini(&extras);
	if (verdict == AUTH_PENDING) {
		t->waiting |= WAIT_AUTH;
		return false;
	}
	take_auth(t);
	return true;
}

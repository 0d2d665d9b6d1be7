/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is the client? The scheme that its credentials name is asked; what it says becomes facts for
 * the ACLs, the user of the log, notes. Without an answer that lets him in, he is told what would
 * be accepted. Squid: auth_param, auth_schemes. */
#include "helpers/auth_basic.h"
#include "helpers/auth_bearer.h"
#include "helpers/auth_connection.h"
#include "helpers/auth_digest.h"
#include "helpers/auth_text.h"
#include "lib/http/message.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_log.h"
#include "proxy/worker.h"
#include "squid-compat/auth_schemes.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum { PROOF_MAX_BYTES = 70000 };

static const struct str ntlm = STR("NTLM"), negotiate = STR("Negotiate");

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

static enum auth_verdict check_ntlm(struct transaction *t, struct str credentials,
				    struct str extras)
{
	const struct auth_connection_scheme scheme = {ntlm, t->snapshot->auth.pools[AUTH_NTLM]};

	return auth_connection_check(t->exchange.client_auth, &scheme, credentials, extras,
				     &t->auth);
}

static enum auth_verdict check_negotiate(struct transaction *t, struct str credentials,
					 struct str extras)
{
	const struct auth_connection_scheme scheme = {negotiate,
						      t->snapshot->auth.pools[AUTH_NEGOTIATE]};

	return auth_connection_check(t->exchange.client_auth, &scheme, credentials, extras,
				     &t->auth);
}

/* ---- challenges */

/* A connection that may be somebody: not one of HTTP/2, whose streams are anybody's. */
static struct auth_connection *connection_of(const struct transaction *t)
{
	return t->exchange.client_auth ? *t->exchange.client_auth : NULL;
}

static bool may_be_bound(const struct transaction *t)
{
	return t->exchange.client_auth && t->exchange.port && t->exchange.port->has_connection_auth;
}

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

/* Where it begins, keep_alive off closes the connection: Squid, for clients that need it. */
static void add_connection(struct transaction *t, struct str name, struct str scheme,
			   enum auth_kind kind, struct buf *out)
{
	struct str token = auth_connection_challenge(connection_of(t), scheme);

	if (!token.at && !transaction_config(t)->auth->schemes[kind].keep_alive)
		t->exchange.reply.close_after = true;
	buf_add_str(out, name);
	buf_add_str(out, STR(": "));
	buf_add_str(out, scheme);
	if (token.at) {
		buf_add_char(out, ' ');
		buf_add_str(out, token);
	}
	buf_add_str(out, STR("\r\n"));
}

static void add_ntlm(struct transaction *t, struct str name, struct buf *out)
{
	add_connection(t, name, ntlm, AUTH_NTLM, out);
}

static void add_negotiate(struct transaction *t, struct str name, struct buf *out)
{
	add_connection(t, name, negotiate, AUTH_NEGOTIATE, out);
}

static const struct scheme {
	struct str name;
	bool is_bound; /* to the connection */
	enum auth_verdict (*ask)(struct transaction *t, struct str credentials,
				   struct str extras);
	void (*add_challenge)(struct transaction *t, struct str name, struct buf *out);
} schemes[AUTH_KINDS] = {
	[AUTH_BASIC] = {STR("Basic"), false, check_basic, add_basic},
	[AUTH_DIGEST] = {STR("Digest"), false, check_digest, add_digest},
	[AUTH_NTLM] = {STR("NTLM"), true, check_ntlm, add_ntlm},
	[AUTH_NEGOTIATE] = {STR("Negotiate"), true, check_negotiate, add_negotiate},
	[AUTH_BEARER] = {STR("Bearer"), false, check_bearer, add_bearer},
};

/* Squid: who failed with Digest is asked for nothing else, and so is who is in a conversation. */
static bool is_asked_alone(const struct transaction *t)
{
	if (t->facts.auth != ACL_AUTH_FAILED)
		return false;
	if (schemes[t->auth_scheme].is_bound)
		return auth_connection_challenge(connection_of(t), schemes[t->auth_scheme].name)
			       .at != NULL;
	return t->auth_scheme == AUTH_DIGEST && t->auth_answer;
}

static bool is_there(const struct transaction *t, enum auth_kind kind)
{
	return t->snapshot->auth.pools[kind] && (!schemes[kind].is_bound || may_be_bound(t));
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
		if (is_there(t, kinds[i]))
			schemes[kinds[i]].add_challenge(t, name, head);
}

/* ---- the fact */

static void take_answer(struct transaction *t, struct auth_answer *answer)
{
	t->auth_answer = auth_answer_ref(answer);
	t->user = answer->user;
	transaction_add_notes(t, answer->reply->pairs, answer->reply->npairs);
}

/* Is a failure for want of a helper a 503? on-error= of the scheme's children says so. */
static bool is_unavailable(const struct transaction *t, enum helper_code code)
{
	switch (transaction_config(t)->auth->schemes[t->auth_scheme].children.on_error) {
	case HELPER_ON_ERROR_DENY:
		return false;
	case HELPER_ON_ERROR_503:
		return code == HELPER_GONE || code == HELPER_TIMEOUT || code == HELPER_BUSY ||
		       code == HELPER_BH;
	case HELPER_ON_ERROR_USUAL:
	case HELPER_ON_ERROR_BYPASS: /* refused by the configuration, as is the next one */
	case HELPER_ON_ERROR_ALLOW:
	case HELPER_ON_ERROR_STALE:
		break;
	}
	return code == HELPER_GONE;
}

/* RFC 4559 §4.2: the reply that lets a client in proves who we are. */
static void take_proof(struct transaction *t)
{
	struct buf line;

	buf_init(&line, PROOF_MAX_BYTES);
	buf_add_str(&line, STR("WWW-Authenticate: "));
	if (auth_connection_take_proof(connection_of(t), &line) && buf_add_str(&line, STR("\r\n")))
		t->auth_line = arena_str(&t->arena, buf_str(&line));
	buf_fini(&line);
}

/* Squid: who uses a nonce for one of the last times gets the next one with the reply. */
static void give_next_nonce(struct transaction *t)
{
	struct buf line;

	buf_init(&line, PROOF_MAX_BYTES);
	auth_digest_add_next_nonce(t->snapshot->auth.digest, loop_now_ms(t->worker->loop), &line);
	t->auth_line = arena_str(&t->arena, buf_str(&line));
	buf_fini(&line);
}

static void take_auth(struct transaction *t)
{
	struct auth_query *query = &t->auth;

	if (query->answer) {
		take_answer(t, query->answer);
		t->lacks_helper |= query->verdict == AUTH_FAILED &&
				   is_unavailable(t, query->answer->reply->code);
	}
	t->is_auth_stale = query->is_stale;
	t->facts.auth = query->verdict == AUTH_OK ? ACL_AUTH_OK : ACL_AUTH_FAILED;
	t->facts.user = query->verdict == AUTH_OK ? t->user : STR_NONE;
	if (query->verdict == AUTH_OK && schemes[t->auth_scheme].is_bound)
		take_proof(t);
	if (query->verdict == AUTH_OK && query->is_nonce_ending)
		give_next_nonce(t);
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
		if (is_there(t, (enum auth_kind)i) &&
		    auth_take_scheme(credentials, schemes[i].name, &rest))
			return &schemes[i];
	return NULL;
}

/* Without credentials the client is who its connection is. */
static void take_connection(struct transaction *t)
{
	struct auth_answer *answer = NULL;

	for (unsigned i = 0; i < AUTH_KINDS && !answer; i++)
		if (schemes[i].is_bound && is_there(t, (enum auth_kind)i)) {
			t->auth_scheme = (enum auth_kind)i;
			answer = auth_connection_user(connection_of(t), schemes[i].name);
		}
	t->facts.auth = answer ? ACL_AUTH_OK : ACL_AUTH_NONE;
	if (!answer)
		return;
	take_answer(t, answer);
	t->facts.user = t->user;
}

bool transaction_fetch_auth(struct transaction *t)
{
	struct str credentials = http_value(&t->exchange.request.head, FIELD_AUTHORIZATION);
	const struct scheme *scheme = find_scheme(t, credentials);
	enum auth_verdict verdict;
	struct buf extras;

	if (credentials.at && (!scheme || !scheme->is_bound))
		auth_connection_forget(connection_of(t));
	if (!scheme) {
		take_connection(t);
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

/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/auth_bearer.h"

#include <gnutls/gnutls.h>

#include "helpers/auth_text.h"
#include "lib/base/heap.h"

enum { MAX_TTL_S = 86400 };

struct auth_bearer { /* immutable */
	struct auth_bearer_config config;
	char *realm; /* config.realm's */
};

struct auth_bearer *auth_bearer_create(const struct auth_bearer_config *config)
{
	struct auth_bearer *auth = mem_zalloc(sizeof(*auth));

	auth->config = *config;
	auth->realm = str_dup(config->realm);
	auth->config.realm.at = auth->realm;
	helper_pool_ref(config->pool);
	auth_users_ref(config->users);
	return auth;
}

void auth_bearer_destroy(struct auth_bearer *auth)
{
	if (!auth)
		return;
	helper_pool_unref(auth->config.pool);
	auth_users_unref(auth->config.users);
	mem_free(auth->realm);
	mem_free(auth);
}

/* A day at most, whatever the helper says; 0 and what is no number: not at all. */
static int64_t keep_token(const struct helper_reply *reply, int64_t ttl_ms)
{
	struct str text = helper_reply_value(reply, STR("ttl"));
	uint64_t ttl_s = 0;

	if (reply->code != HELPER_OK || helper_reply_value(reply, STR("user")).len == 0)
		return 0;
	if (!text.at)
		return ttl_ms;
	if (!str_to_u64(text, &ttl_s))
		return 0;
	return (int64_t)(ttl_s < MAX_TTL_S ? ttl_s : MAX_TTL_S) * 1000;
}

static enum auth_verdict judge(struct auth_query *query)
{
	return query->verdict == AUTH_OK && query->answer->user.len > 0 ? AUTH_OK : AUTH_FAILED;
}

static enum auth_verdict ask_helper(struct auth_bearer *auth, const struct auth_question *question,
                                    struct str token, struct str extras, struct auth_query *query)
{
	struct buf line;

	buf_init(&line, 2 * AUTH_MAX_BYTES + 1);
	buf_add_str(&line, token);
	if (extras.len > 0) {
		buf_add_char(&line, ' ');
		buf_add_str(&line, extras);
	}
	if (!line.is_full)
		auth_users_ask(auth->config.users, question, buf_str(&line), query);
	gnutls_memset(line.at, 0, line.len);
	buf_fini(&line);
	return query->verdict == AUTH_OK ? judge(query) : query->verdict;
}

enum auth_verdict auth_bearer_check(struct auth_bearer *auth, struct str credentials,
                                    struct str extras, struct auth_query *query)
{
	struct auth_question question;
	struct str token;

	auth_query_fini(query);
	query->verdict = AUTH_FAILED;
	if (!auth_take_scheme(credentials, STR("Bearer"), &token) || token.len > AUTH_MAX_BYTES ||
	    !auth_is_token68(token) ||
	    !auth_question_init_hidden(&question, auth->config.users, 't', token, extras))
		return query->verdict;
	question.pool = auth->config.pool;
	question.ttl_ms = auth->config.ttl_ms;
	question.stale_ms = auth->config.stale_ms;
	question.keep = keep_token;
	query->judge_ = judge;
	if (auth_users_find(auth->config.users, &question, query) != AUTH_OK)
		query->verdict = ask_helper(auth, &question, token, extras, query);
	return query->verdict;
}

/* RFC 6750 §3: of an error code only some bytes are fine, and none of them is a quote. */
static struct str error_of(const struct auth_answer *answer)
{
	struct str error = answer ? helper_reply_value(answer->reply, STR("error")) : STR_NONE;

	return error.len > 0 && auth_is_token68(error) ? error : STR("invalid_token");
}

void auth_bearer_add_challenge(const struct auth_bearer *auth, struct str name, bool was_refused,
                               const struct auth_answer *answer, struct buf *out)
{
	const struct str realm = auth->config.realm;

	buf_add_str(out, name);
	buf_add_str(out, STR(": Bearer"));
	if (realm.len > 0) {
		buf_add_str(out, STR(" realm="));
		auth_add_quoted(out, realm);
	}
	if (was_refused) {
		buf_add_str(out, realm.len > 0 ? STR(", error=\"") : STR(" error=\""));
		buf_add_str(out, error_of(answer));
		buf_add_char(out, '"');
	}
	buf_add_str(out, STR("\r\n"));
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/auth_basic.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "helpers/auth_text.h"
#include "helpers/credentials.h"
#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/http/uri.h"

struct auth_basic { /* immutable */
	struct auth_basic_config config; /* realm is not kept */
	char *challenge;
};

/* A question as it lies on its asker's stack. */
struct asked {
	struct credentials credentials;
	struct auth_question question;
};

static char *make_challenge(const struct auth_basic_config *config)
{
	struct str realm = config->realm.at ? config->realm : STR("Squid proxy-caching web server");
	struct buf text;
	char *challenge;

	buf_init(&text, 2 * realm.len + 64);
	buf_add_str(&text, STR("Basic realm="));
	auth_add_quoted(&text, realm);
	if (config->is_utf8)
		buf_add_str(&text, STR(", charset=\"UTF-8\""));
	challenge = str_dup(buf_str(&text));
	buf_fini(&text);
	return challenge;
}

struct auth_basic *auth_basic_create(const struct auth_basic_config *config)
{
	struct auth_basic *auth = mem_zalloc(sizeof(*auth));

	auth->config = *config;
	auth->config.realm = STR_NONE;
	if (config->idle_ms == 0)
		auth->config.idle_ms = INT64_MAX;
	auth->challenge = make_challenge(config);
	helper_pool_ref(config->pool);
	auth_users_ref(config->users);
	return auth;
}

void auth_basic_destroy(struct auth_basic *auth)
{
	if (!auth)
		return;
	helper_pool_unref(auth->config.pool);
	auth_users_unref(auth->config.users);
	mem_free(auth->challenge);
	mem_free(auth);
}

struct str auth_basic_challenge(const struct auth_basic *auth)
{
	return str_of(auth->challenge);
}

static enum credentials_options reading_options(const struct auth_basic *auth)
{
	return (auth->config.is_case_sensitive ? 0 : CREDENTIALS_FOLD_USER) |
	       (auth->config.is_utf8 ? CREDENTIALS_TO_UTF8 : 0);
}

static bool read_question(const struct auth_basic *auth, struct str text, struct str extras,
                          struct asked *out)
{
	const struct credentials *credentials = &out->credentials;

	if (!credentials_read(text, reading_options(auth), &out->credentials) ||
	    !auth_question_init(&out->question, auth->config.users, 'b', credentials->user, extras,
	                        credentials->pass))
		return false;
	out->question.pool = auth->config.pool;
	out->question.ttl_ms = auth->config.ttl_ms;
	out->question.idle_ms = auth->config.idle_ms;
	out->question.stale_ms = auth->config.stale_ms;
	return true;
}

static bool make_line(const struct credentials *credentials, struct str extras, struct buf *line)
{
	return uri_escape_1738(line, credentials->user) && buf_add_char(line, ' ') &&
	       uri_escape_1738(line, credentials->pass) &&
	       (extras.len == 0 || (buf_add_char(line, ' ') && buf_add_str(line, extras)));
}

enum auth_verdict auth_basic_check(struct auth_basic *auth, struct str credentials,
                                   struct str extras, struct auth_query *query)
{
	struct asked asked;
	struct buf line;

	auth_query_fini(query);
	query->verdict = AUTH_FAILED;
	if (!read_question(auth, credentials, extras, &asked))
		return query->verdict;
	if (auth_users_find(auth->config.users, &asked.question, query) == AUTH_OK)
		return query->verdict;
	buf_init(&line, AUTH_MAX_BYTES);
	if (make_line(&asked.credentials, extras, &line))
		auth_users_ask(auth->config.users, &asked.question, buf_str(&line), query);
	gnutls_memset(&asked, 0, sizeof(asked));
	if (line.len > 0)
		gnutls_memset(line.at, 0, line.len);
	buf_fini(&line);
	return query->verdict;
}

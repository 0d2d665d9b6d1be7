/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/authenticators.h"

#include "helpers/auth_basic.h"
#include "helpers/auth_bearer.h"
#include "helpers/auth_digest.h"
#include "proxy/server.h"
#include "squid-compat/config.h"

static struct auth_basic *make_basic(const struct config *config, struct server *server,
				     struct helper_pool *pool)
{
	const struct auth_scheme *scheme = &config->auth->schemes[AUTH_BASIC];
	const struct auth_basic_config basic = {
		.pool = pool,
		.users = server->users,
		.realm = scheme->realm,
		.ttl_ms = scheme->credentials_ttl_s * 1000,
		.idle_ms = config->authenticate_ttl_ms,
		.stale_ms = scheme->children.stale_s * 1000,
		.is_case_sensitive = scheme->is_case_sensitive,
		.is_utf8 = scheme->is_utf8,
	};

	return auth_basic_create(&basic);
}

static struct auth_digest *make_digest(const struct config *config, struct server *server,
				       struct helper_pool *pool)
{
	const struct auth_scheme *scheme = &config->auth->schemes[AUTH_DIGEST];
	const struct auth_digest_config digest = {
		.pool = pool,
		.users = server->users,
		.nonces = server->nonces,
		.realm = scheme->realm,
		.ttl_ms = config->authenticate_ttl_ms,
		.stale_ms = scheme->children.stale_s * 1000,
		.nonce_rules = {
			.max_duration_ms = scheme->nonce_max_duration_s * 1000,
			.garbage_interval_ms = scheme->nonce_garbage_interval_s * 1000,
			.max_count = scheme->nonce_max_count,
			.checks_count = scheme->checks_nonce_count,
			.is_strict = scheme->is_nonce_strict,
		},
		.algorithms = (scheme->has_md5 ? 1u << DIGEST_MD5 : 0) |
			      (scheme->has_sha256 ? 1u << DIGEST_SHA256 : 0),
		.is_utf8 = scheme->is_utf8,
		.has_post_workaround = scheme->has_post_workaround,
	};

	return auth_digest_create(&digest);
}

static struct auth_bearer *make_bearer(const struct config *config, struct server *server,
				       struct helper_pool *pool)
{
	const struct auth_scheme *scheme = &config->auth->schemes[AUTH_BEARER];
	const struct auth_bearer_config bearer = {
		.pool = pool,
		.users = server->users,
		.realm = scheme->realm,
		.ttl_ms = scheme->credentials_ttl_s * 1000,
		.stale_ms = scheme->children.stale_s * 1000,
	};

	return auth_bearer_create(&bearer);
}

void authenticators_init(struct authenticators *a, const struct config *config,
			 struct server *server, struct helper_pool *const pools[AUTH_KINDS])
{
	*a = (struct authenticators){0};
	for (unsigned i = 0; i < AUTH_KINDS; i++) {
		a->pools[i] = pools[i];
		a->is_any |= pools[i] != NULL;
	}
	auth_users_set_garbage_interval(server->users, config->authenticate_garbage_interval_ms);
	if (pools[AUTH_BASIC])
		a->basic = make_basic(config, server, pools[AUTH_BASIC]);
	if (pools[AUTH_DIGEST])
		a->digest = make_digest(config, server, pools[AUTH_DIGEST]);
	if (pools[AUTH_BEARER])
		a->bearer = make_bearer(config, server, pools[AUTH_BEARER]);
}

void authenticators_fini(struct authenticators *a)
{
	auth_basic_destroy(a->basic);
	auth_digest_unref(a->digest);
	auth_bearer_destroy(a->bearer);
	for (unsigned i = 0; i < AUTH_KINDS; i++)
		helper_pool_unref(a->pools[i]);
}

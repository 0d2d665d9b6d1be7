/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/manager/helper_pools.h"

#include "proxy/snapshot.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/config.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/rewrite_config.h"

static const struct {
	const char *kind, *title;
} schemes[AUTH_KINDS] = {
	[AUTH_BASIC] = {"auth_basic", "Basic Authenticator"},
	[AUTH_DIGEST] = {"auth_digest", "Digest Authenticator"},
	[AUTH_NTLM] = {"auth_ntlm", "NTLM Authenticator"},
	[AUTH_NEGOTIATE] = {"auth_negotiate", "Negotiate Authenticator"},
	[AUTH_BEARER] = {"auth_bearer", "Bearer Authenticator"},
};

enum { URL_REWRITE, STORE_ID, FIRST_SCHEME, FIRST_EXTERNAL = FIRST_SCHEME + AUTH_KINDS };

static struct helper_pool_row rewriter(const char *kind, const char *title,
                                       const struct rewrite_config *config,
                                       struct helper_pool *pool)
{
	return (struct helper_pool_row){
		.kind = kind,
		.name = STR(""),
		.title = title,
		.command = &config->command,
		.children = &config->children,
		.pool = pool,
	};
}

static struct helper_pool_row scheme(const struct snapshot *snapshot, unsigned i)
{
	const struct auth_scheme *configured = &snapshot->config->auth->schemes[i];

	return (struct helper_pool_row){
		.kind = schemes[i].kind,
		.name = STR(""),
		.title = schemes[i].title,
		.command = &configured->command,
		.children = &configured->children,
		.pool = snapshot->auth.pools[i],
	};
}

static struct helper_pool_row external(const struct snapshot *snapshot, unsigned i)
{
	const struct external_acl_type *type = snapshot->external_types[i];

	return (struct helper_pool_row){
		.kind = "external_acl",
		.name = type->name,
		.title = "External ACL",
		.command = &type->command,
		.children = &type->children,
		.pool = snapshot->external_pools[i],
		.external = snapshot->externals[i],
	};
}

/* Place by place, also those without a pool. */
static struct helper_pool_row at_place(const struct snapshot *snapshot, unsigned place)
{
	const struct config *config = snapshot->config;

	if (place == URL_REWRITE)
		return rewriter("url_rewrite", "Redirector", config->url_rewrite,
				snapshot->url_rewrite);
	if (place == STORE_ID)
		return rewriter("store_id", "StoreId helper", config->store_id, snapshot->store_id);
	if (place < FIRST_EXTERNAL)
		return scheme(snapshot, place - FIRST_SCHEME);
	return external(snapshot, place - FIRST_EXTERNAL);
}

bool helper_pools_get(const struct snapshot *snapshot, unsigned i, struct helper_pool_row *out)
{
	unsigned nplaces = FIRST_EXTERNAL + snapshot->config->external_acls->n;

	for (unsigned place = 0; place < nplaces; place++) {
		*out = at_place(snapshot, place);
		if (out->pool && i-- == 0)
			return true;
	}
	return false;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/authenticators.h: the authentication schemes of one configuration at work, each
 * with the pool of its helpers.
 * Threads: immutable once created; read by all workers. */
#ifndef PROXY_AUTHENTICATORS_H
#define PROXY_AUTHENTICATORS_H
#include "squid-compat/auth_config.h"

struct auth_basic;
struct auth_bearer;
struct auth_digest;
struct config;
struct helper_pool;
struct server;

struct authenticators {
	bool is_any; /* some scheme is usable */
	/* NULL: not configured, or not usable; then pools has none either. */
	struct auth_basic *basic;
	struct auth_digest *digest;
	struct auth_bearer *bearer;
	struct helper_pool *pools[AUTH_KINDS]; /* a reference each */
};

/* pools: of the usable schemes, NULL for others; takes the references. */
void authenticators_init(struct authenticators *authenticators, const struct config *config,
                         struct server *server, struct helper_pool *const pools[AUTH_KINDS]);
void authenticators_fini(struct authenticators *authenticators);

#endif

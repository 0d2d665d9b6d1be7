/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/helper_pools.h: the pools of helpers of a snapshot, one after the other, under the
 * names of the directives that ask for them. Threads: the home loop's (worker 0's), where pools can
 * be looked at. */
#ifndef PROXY_HELPER_POOLS_H
#define PROXY_HELPER_POOLS_H
#include <stdbool.h>

#include "lib/base/str.h"

struct external_acl;
struct helper_children;
struct helper_command;
struct helper_pool;
struct snapshot;

struct helper_pool_row {
	const char *kind;  /* "url_rewrite", "auth_basic" ... */
	struct str name;   /* of an external_acl_type; else empty */
	const char *title; /* Squid's: "Redirector" */
	const struct helper_command *command;
	const struct helper_children *children;
	struct helper_pool *pool;
	struct external_acl *external; /* of an external_acl_type; else NULL */
};

/* The pool number i of those that there are: false when there are no more. */
bool helper_pools_get(const struct snapshot *snapshot, unsigned i, struct helper_pool_row *out);

#endif

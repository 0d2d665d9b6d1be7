/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/helper_config.h: which program a helper is, and how many of it run: what auth_param,
 * the url_rewrite_* and store_id_* directives and external_acl_type have in common.
 * Memory: everything lies in the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_HELPER_CONFIG_H
#define SQUID_COMPAT_HELPER_CONFIG_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "squid-compat/world.h"

/* argv[0] is the program's path as configured; ends with a NULL. Empty: no helper. */
struct helper_command {
	const char **argv;
	unsigned argc;
};

/* Ours of the same name that may be run, for a path in one of Squid's folders: the installed one
 * or, of a program that is not installed, the one beside it. NULL: there is none. */
const char *helper_find_bundled(const char *path, const struct world *world, struct arena *arena);

/* on-error=, ours: what a question comes to that no helper answers. auth_param's children know
 * deny, 503 and stale; those of url_rewrite and store_id deny (403), 503 and bypass;
 * external_acl_type deny, allow, 503 and stale. */
enum helper_on_error {
	HELPER_ON_ERROR_USUAL = 0, /* 503 when none can be started, else as for a bad password */
	HELPER_ON_ERROR_DENY, /* always as for a bad password; an external ACL denies, with a 403 */
	HELPER_ON_ERROR_503,       /* always 503 */
	HELPER_ON_ERROR_BYPASS,    /* the request goes on as if there were no helper */
	HELPER_ON_ERROR_ALLOW,     /* an external ACL is what helps the request */
	HELPER_ON_ERROR_STALE, /* stale:N: what was known until N seconds ago counts, else usual */
};

/* ..._children N startup=S idle=I concurrency=C queue-size=Q on-persistent-overload=die|ERR */
struct helper_children {
	unsigned max;         /* at least 1 */
	unsigned startup;     /* at most max */
	unsigned idle;        /* 1..max */
	unsigned concurrency; /* 0: one request at a time, no channel ids */
	int queue_size;       /* -1: not said, see helper_queue_size */
	bool overload_is_err; /* on-persistent-overload=ERR: answer ERR; else the program ends */
	unsigned reservation_timeout_s;
	enum helper_on_error on_error;
	int64_t stale_s; /* with HELPER_ON_ERROR_STALE */
};

/* What queue-size comes to: twice max if not said, nothing where a full queue is bypassed. */
unsigned helper_queue_size(const struct helper_children *children, bool is_bypass_on);

#endif

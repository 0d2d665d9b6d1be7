/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/helper_config.h: which helper programs to run, and how many: auth_param, the
 * url_rewrite_* and the store_id_* directives. Squid: cf.data.pre, the directives of those names.
 *
 * The on/off directives of these families (url_rewrite_bypass, url_rewrite_host_header,
 * store_id_bypass) are plain fields; the access lists belong to the configuration.
 * Memory: everything lies in the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_HELPER_CONFIG_H
#define SQUID_COMPAT_HELPER_CONFIG_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

/* argv[0] is the program's path as configured; ends with a NULL. Empty: no helper. */
struct helper_command {
	const char **argv;
	unsigned argc;
};

/* Ours of the same name that may be run, for a path in one of Squid's folders: the installed one or, of a
 * program that is not installed, the one beside it. NULL: there is none. */
const char *helper_find_bundled(const char *path, const struct world *world, struct arena *arena);

/* on-error=, ours: what a question comes to that no helper answers. auth_param's children know deny, 503
 * and stale; those of url_rewrite and store_id deny (403), 503 and bypass; external_acl_type deny, allow, 503
 * and stale. */
enum helper_on_error {
	HELPER_ON_ERROR_USUAL = 0, /* 503 when none can be started, else as for a bad password */
	HELPER_ON_ERROR_DENY,      /* always as for a bad password; an external ACL denies, with a 403 */
	HELPER_ON_ERROR_503,       /* always 503 */
	HELPER_ON_ERROR_BYPASS,    /* the request goes on as if there were no helper */
	HELPER_ON_ERROR_ALLOW,     /* an external ACL is what helps the request */
	HELPER_ON_ERROR_STALE,     /* stale:N: what was known until N seconds ago counts, else usual */
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

enum rewrite_timeout {
	REWRITE_TIMEOUT_NONE = 0, /* wait for ever */
	REWRITE_TIMEOUT_FAIL,
	REWRITE_TIMEOUT_BYPASS,
	REWRITE_TIMEOUT_RETRY,
	REWRITE_TIMEOUT_RESPONSE, /* as if the helper had said timeout_response */
};

/* url_rewrite_* or store_id_*. */
struct rewrite_config {
	struct helper_command command;
	struct helper_children children;
	const struct logformat *extras; /* NULL: none (extras "") */
	bool is_bypass_on;
	bool rewrites_host;             /* url_rewrite_host_header */
	enum rewrite_timeout on_timeout;
	int64_t timeout_ms;
	struct str timeout_response;
	/* private */
	bool children_concurrency_fixed_;
	struct arena *arena_;
	const struct world *world_;
};

/* With Squid's defaults (is_bypass_on: store_id's is on). */
void rewrite_config_init(struct rewrite_config *config, bool is_bypass_on, struct arena *arena,
			 const struct world *world);
/* url_rewrite_program PATH [args] | none */
void rewrite_parse_program(struct rewrite_config *config, const struct words *words,
			   struct report *report);
void rewrite_parse_children(struct rewrite_config *config, const struct words *words,
			    struct report *report);
/* The obsolete url_rewrite_concurrency, which still counts. */
void rewrite_parse_concurrency(struct rewrite_config *config, const struct words *words,
			       struct report *report);
void rewrite_parse_extras(struct rewrite_config *config, const struct words *words,
			  struct report *report);
void rewrite_parse_timeout(struct rewrite_config *config, const struct words *words,
			   struct report *report);
/* When the file has been read: that the program can be run. name: as Squid calls it in
 * "FATAL: NAME PATH: (2) No such file or directory" ("redirect_program", "store_id_program"). */
void rewrite_check(const struct rewrite_config *config, const char *name, struct report *report);

enum auth_kind {
	AUTH_BASIC,
	AUTH_DIGEST,
	AUTH_NTLM,
	AUTH_NEGOTIATE,
	AUTH_BEARER, /* ours */
	AUTH_KINDS
};

struct auth_scheme {
	enum auth_kind kind;
	bool is_mentioned;
	unsigned order;      /* challenges go out in the order of first mention */
	struct helper_command command;
	struct helper_children children;
	struct str realm;
	const struct logformat *key_extras; /* NULL: none */
	bool is_case_sensitive;
	bool is_utf8;
	bool keep_alive;
	int64_t credentials_ttl_s;
	/* digest */
	bool has_md5, has_sha256; /* algorithms, ours: MD5 alone unless said otherwise */
	int64_t nonce_garbage_interval_s, nonce_max_duration_s;
	unsigned nonce_max_count;
	bool is_nonce_strict, checks_nonce_count, has_post_workaround;
};

struct auth_config {
	struct auth_scheme schemes[AUTH_KINDS];
	unsigned nmentioned;
	/* private */
	struct arena *arena_;
	const struct world *world_;
};

void auth_config_init(struct auth_config *config, struct arena *arena, const struct world *world);
/* auth_param SCHEME PARAMETER VALUE... */
void auth_parse(struct auth_config *config, const struct words *words, struct report *report);
/* When the file has been read: programs that cannot be run, schemes without one. */
void auth_check(const struct auth_config *config, struct report *report);
/* Has the scheme all it needs to ask a client for credentials? */
bool auth_is_usable(const struct auth_scheme *scheme);
const char *auth_kind_pool_name(enum auth_kind kind); /* "basicauthenticator" */
/* By its name, in any case. */
bool auth_kind_find(struct str name, enum auth_kind *out);

#endif

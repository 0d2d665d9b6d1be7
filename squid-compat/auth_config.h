/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/auth_config.h: auth_param: how clients may say who they are, and which helpers are
 * asked. Squid: cf.data.pre, auth_param.
 * Memory: everything lies in the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_AUTH_CONFIG_H
#define SQUID_COMPAT_AUTH_CONFIG_H
#include "squid-compat/helper_config.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

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

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/rewrite_config.h: the url_rewrite_* and the store_id_* directives. Squid:
 * cf.data.pre, the directives of those names.
 *
 * The on/off directives of these families (url_rewrite_bypass, url_rewrite_host_header,
 * store_id_bypass) are plain fields; the access lists belong to the configuration.
 * Memory: everything lies in the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_REWRITE_CONFIG_H
#define SQUID_COMPAT_REWRITE_CONFIG_H
#include "squid-compat/helper_config.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

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

#endif

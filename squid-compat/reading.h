/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/reading.h: a configuration while it is being read, and what handles its directives.
 *
 * A handler (directive_fn) gets one line, tells the report what is wrong with it, and writes where
 * the row's slot says; without a slot values are checked and dropped. One thread's. */
#ifndef SQUID_COMPAT_READING_H
#define SQUID_COMPAT_READING_H
#include <stdbool.h>

#include "squid-compat/config.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/report.h"
#include "squid-compat/translate.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

enum { READING_MAX_DIRECTIVES = 512 };

struct reading {
	struct config *config;
	const struct config_options *options;
	const struct world *world;
	struct report *report;
	bool has_seen[READING_MAX_DIRECTIVES]; /* by directive_number: some line had it */
	struct config_line *last_lines[READING_MAX_DIRECTIVES]; /* likewise; NULL: none yet */
	const char *file; /* of the last line; the snapshot's */
	struct httpd_accel accel; /* httpd_accel_* */
	bool has_sslproxy;        /* some sslproxy_* added to tls_outgoing_options */
};

/* Handles one line: the parser's parser_line_fn, with a struct reading. */
void reading_take_line(void *reading, const struct words *words);

/* Did any line have the directive? */
bool reading_has_seen(const struct reading *reading, const char *name);

/* Gives each slot its default, as the table has it. */
void reading_set_defaults(struct reading *reading);

/* A copy in the snapshot's arena with a NUL behind it. */
const char *reading_keep(struct reading *reading, struct str text);

/* Says so when words are left from word i on. */
void reading_expect_end(struct reading *reading, const struct words *words, size_t i);

/* ---- handlers of plain values: directive_values.c ---- */
directive_fn parse_on_off;          /* bool */
directive_fn parse_int;             /* int, within the row's min and max */
directive_fn parse_percent;         /* int */
directive_fn parse_port;            /* none: checked only */
directive_fn parse_time;            /* int64_t, ms */
directive_fn parse_size;            /* int64_t, bytes; "none" is -1 */
directive_fn parse_size_kb;         /* the same, KB when there is no unit */
directive_fn parse_bounded_size;    /* the same without "none" */
directive_fn parse_text;            /* const char *; "none" is NULL */
directive_fn parse_rest;            /* const char *: all behind the directive */
directive_fn parse_words;           /* struct config_words: the words of all lines */
directive_fn parse_choice;          /* an enum: the index in the row's choices */
directive_fn parse_replacement;     /* enum replacement */
directive_fn parse_umask;           /* unsigned */
directive_fn parse_count_or_on_off; /* int; on is 1 */
directive_fn parse_debug_options;
directive_fn parse_cache_log;
directive_fn parse_bungled;     /* no value is any good */
directive_fn parse_address;     /* of a host, checked only */
directive_fn parse_cpu_affinity; /* process_numbers=N,... cores=N,...: checked only */
directive_fn parse_unused_port; /* a warning unless 0 */
directive_fn parse_ignore_ims_on_miss;
directive_fn parse_client_netmask;
directive_fn parse_emulate_httpd_log;

/* ---- handlers that ask other modules: directive_rules.c ---- */
directive_fn parse_acl;
directive_fn parse_access;        /* struct access_list *; may wait for slow ACLs */
directive_fn parse_fast_access;   /* the same, may not wait */
directive_fn parse_upgrade_rule;  /* PROTOCOL allow|deny ACL... */
directive_fn parse_unsupported_protocol; /* tunnel|respond [ACL...]: checked only */
directive_fn parse_mark;          /* MARK[/MASK] ACL...: checked only */
directive_fn parse_size_rule;     /* SIZE|none [ACL...] */
directive_fn parse_outgoing_address; /* struct socket_rules * */
directive_fn parse_tos;              /* struct socket_rules * */
directive_fn parse_header_access; /* struct header_rules * */
directive_fn parse_header_replace;
directive_fn parse_header_add;
directive_fn parse_refresh_pattern;
directive_fn parse_deny_info;
directive_fn parse_cachemgr_passwd;
directive_fn parse_http_port;
directive_fn parse_tls_outgoing;
directive_fn parse_cache_peer;
directive_fn parse_cache_peer_access;
directive_fn parse_neighbor_type_domain;
directive_fn parse_cache_dir;
directive_fn parse_logformat;
directive_fn parse_access_log;
directive_fn parse_tls_key_log;
directive_fn parse_auth_param;
directive_fn parse_auth_schemes;
directive_fn parse_external_acl_type;
directive_fn parse_note;
directive_fn parse_ban;
directive_fn parse_rate_limit;
directive_fn parse_rate_limit_access;
directive_fn parse_rewrite_program; /* struct rewrite_config *, these six */
directive_fn parse_rewrite_children;
directive_fn parse_rewrite_concurrency;
directive_fn parse_rewrite_extras;
directive_fn parse_rewrite_timeout;
directive_fn parse_rewrite_bypass;
directive_fn parse_rewrite_host;

/* ---- what Squid has dropped: directive_gone.c ---- */
directive_fn parse_translated; /* as translate_line has it */
directive_fn parse_sslproxy;
directive_fn parse_cache_peer_domain;
directive_fn parse_httpd_accel;

/* Behind the last line: what takes several lines of dropped directives together. */
void reading_finish_gone(struct reading *reading);

/* ---- rates: directive_delays.c ---- */
directive_fn parse_delay_pools;
directive_fn parse_client_delay_pools;
directive_fn parse_delay_class;
directive_fn parse_delay_parameters;
directive_fn parse_client_delay_parameters;
directive_fn parse_delay_access;
directive_fn parse_client_delay_access;
directive_fn parse_delay_level;
directive_fn parse_client_delay_level;
directive_fn parse_response_delay_pool;
directive_fn parse_response_delay_access;

/* ---- refusals ---- */
directive_fn refuse;       /* any line */
directive_fn refuse_on;    /* "on" */
directive_fn refuse_allow; /* a rule that allows something */

#endif

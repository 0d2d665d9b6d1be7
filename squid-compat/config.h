/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/config.h: one squid.conf as the program uses it: a typed, immutable snapshot.
 *
 * config_read makes it, on the main or the reload thread; it may block (files, names). After that
 * nothing changes but the reference count, so any thread reads it; a transaction holds a reference
 * to the one it began with. All texts are NUL-terminated and, with all that the pointers name,
 * owned by the snapshot. A limit of -1 is "no limit" where its comment says so. */
#ifndef SQUID_COMPAT_CONFIG_H
#define SQUID_COMPAT_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "squid-compat/pages/error_language.h"
#include "squid-compat/replacement.h"
#include "squid-compat/report.h"
#include "squid-compat/uri_whitespace.h"

struct access_list;    /* acl.h */
struct size_rules;     /* size_rules.h */
struct upgrade_rules;  /* upgrade_rules.h */
struct acl_set;        /* acl.h */
struct auth_config;    /* helper_config.h */
struct ban_lines;      /* ban_lines.h */
struct auth_schemes;   /* auth_schemes.h */
struct cache_dirs;     /* cache_dir.h */
struct cachemgr_passwds; /* cachemgr_passwd.h */
struct delay_config;   /* delay_pools.h */
struct deny_infos;     /* deny_info.h */
struct error_pages;    /* error_page.h */
struct external_acl_types; /* external_acl_config.h */
struct header_rules;   /* header_rules.h */
struct log_config;     /* access_log.h */
struct note_rules;     /* note_rules.h */
struct peers;          /* peers.h */
struct port_url_rules; /* ports_url.h */
struct ports;          /* ports.h */
struct rate_limit_lines; /* rate_limits.h */
struct refresh_rules;  /* refresh_pattern.h */
struct rewrite_config; /* helper_config.h */
struct socket_rules;   /* socket_rules.h */
struct source;         /* source.h */
struct tls_outgoing;   /* tls_outgoing.h */
struct world;          /* world.h */

enum forwarded_for {
	FORWARDED_FOR_ON,          /* append the client's address */
	FORWARDED_FOR_OFF,         /* append "unknown" */
	FORWARDED_FOR_TRANSPARENT, /* leave the field alone */
	FORWARDED_FOR_TRUNCATE,    /* the client's address alone */
	FORWARDED_FOR_DELETE,
};

enum relaxed_parser {
	RELAXED_ON,
	RELAXED_OFF,
	RELAXED_WARN,
};

/* memory_cache_mode: of what was fetched, and of hits on disk, which stay in memory. */
enum memory_cache_mode {
	MEMORY_CACHE_ALWAYS,  /* both */
	MEMORY_CACHE_DISK,    /* what was hit on disk; what was fetched until it is on disk */
	MEMORY_CACHE_NETWORK, /* what was fetched */
	MEMORY_CACHE_NEVER,   /* what was fetched until it is on disk */
};

/* security_headers, ours */
enum security_level {
	SECURITY_HEADERS_OFF,
	SECURITY_HEADERS_ON,
	SECURITY_HEADERS_STRICT,
};

/* WORD... */
struct config_words {
	const char **at;
	size_t n;
};

/* A line as it was read. */
struct config_line {
	const char *text; /* continuations joined */
	const char *file; /* NULL: nobody's, it is a default */
	int number;       /* in file, from 1 on */
	struct config_line *next; /* of the same directive */
};

struct config {
	/* private */
	unsigned nrefs_;
	struct arena arena_;

	/* All lines, by directive_number; NULL: there is none. */
	struct config_line **lines;

	/* Who and where. */
	const char *path;             /* the file that was read */
	const char *visible_hostname; /* Via, X-Cache, error pages; never NULL */
	const char *unique_hostname;  /* loop detection; visible_hostname when not said */
	struct config_words hostname_aliases;
	const char *surrogate_id; /* httpd_accel_surrogate_id; visible_hostname when not said */
	const char *cache_mgr;    /* address in error pages */
	bool httpd_suppress_version_string;

	/* Process. */
	int nworkers_asked;          /* as the file has it; 0: not said */
	unsigned nworkers;           /* the cores, at most 4, when not said; at least 1 */
	const char *pid_filename;    /* NULL: none */
	const char *effective_user;  /* cache_effective_user; NULL: stay who we are */
	const char *effective_group; /* cache_effective_group; NULL: the user's groups */
	uid_t effective_uid;         /* when effective_user is set */
	gid_t effective_gid;         /* of effective_group, else of effective_user */
	const char *coredump_dir;    /* NULL: the directory of the start */
	const char *chroot_dir;      /* NULL: none */
	unsigned umask_bits;         /* of files made */
	int max_filedescriptors;     /* 0: the ulimit */
	int64_t shutdown_lifetime_ms;
	int64_t upgrade_lifetime_ms;

	/* cache.log and access logs. */
	const char *cache_log; /* path; NULL: none */
	const char *cache_store_log; /* a path, perhaps behind "stdio:" or "daemon:"; NULL: none */
	int debug_level;       /* debug_options ALL,N */
	int logfile_rotate;    /* 0: reopen only */
	bool log_mime_hdrs;
	bool strip_query_terms;
	bool buffered_logs;
	bool emulate_httpd_log; /* lines that name no format have "common" */
	bool has_client_mask;   /* client_netmask, over the address as IPv6 (IPv4 mapped) */
	uint8_t client_mask[16];
	const char *logfile_daemon; /* program behind daemon: logs */
	struct log_config *logs;    /* access_log, logformat */
	struct note_rules *notes;   /* note */

	/* Ports and peers. */
	struct ports *ports;
	struct peers *peers;
	struct tls_outgoing *tls_outgoing; /* tls_outgoing_options */
	const char *stats_file;  /* ours: NULL: none */
	bool tls_ocsp_fetch;     /* ours */
	int tls_handshake_limit; /* ours: of one client in a second; 0: none */
	int sslproxy_session_ttl_s; /* that a client's session may go on for; 0: none does */
	const char *sslpassword_program; /* NULL: none */
	const char *acme_challenge_dir; /* ours; NULL: none */
	int64_t connect_timeout_ms;
	int64_t peer_connect_timeout_ms;
	int64_t forward_timeout_ms;
	int64_t dead_peer_timeout_ms;
	int forward_max_tries;
	int connect_retries;
	int happy_eyeballs_connect_timeout; /* ms */
	bool retry_on_error;
	bool prefer_direct;
	bool nonhierarchical_direct;

	/* Client and origin connections. */
	int64_t request_start_timeout_ms; /* connection to first byte */
	int64_t request_timeout_ms;       /* first byte to whole head */
	int64_t client_idle_pconn_timeout_ms;
	int64_t client_lifetime_ms;
	int64_t read_timeout_ms;
	int64_t write_timeout_ms;
	int64_t server_idle_pconn_timeout_ms;
	int64_t pconn_lifetime_ms; /* 0: no limit */
	bool client_persistent_connections;
	bool server_persistent_connections;
	bool persistent_connection_after_error;
	bool half_closed_clients;
	bool detect_broken_pconn;
	int pipeline_prefetch;
	int client_ip_max_connections; /* -1: no limit */
	int64_t overload_delay_ms; /* ours; 0: no limit */
	int overload_requests;     /* ours: with origins at a time; 0: any number */
	int64_t client_minimum_rate_bytes;   /* ours: in a second; 0: no limit */
	int64_t client_minimum_rate_time_ms; /* ours: over which it is measured */

	/* Messages. */
	int64_t request_header_max_bytes;
	int64_t reply_header_max_bytes;
	int64_t request_body_max_bytes; /* 0: no limit */
	int64_t client_request_buffer_max_bytes;
	int64_t read_ahead_gap_bytes;
	int64_t tcp_recv_bufsize_bytes; /* 0: the system's */
	/* NULL without a line. */
	struct socket_rules *outgoing_addresses; /* tcp_outgoing_address */
	struct socket_rules *outgoing_tos;       /* tcp_outgoing_tos */
	struct socket_rules *clientside_tos;
	bool via;
	enum forwarded_for forwarded_for;
	enum uri_whitespace uri_whitespace;
	enum relaxed_parser relaxed_header_parser;
	bool host_verify_strict;
	bool check_hostnames;
	bool allow_underscore;
	const struct port_url_rules *url_rules; /* of append_domain and these; NULL: none */
	unsigned security_headers; /* enum security_level */
	struct header_rules *request_headers; /* request_header_access, _replace, _add */
	struct header_rules *reply_headers;

	/* Cache. */
	int64_t cache_mem_bytes; /* not said: 256 MB, at most an eighth of the memory there is */
	enum memory_cache_mode memory_cache_mode;
	enum replacement memory_replacement;
	int64_t maximum_object_size_in_memory_bytes;
	int64_t maximum_object_size_bytes; /* -1: no limit */
	int64_t minimum_object_size_bytes;
	/* as the last line has it; each cache_dir has its own */
	enum replacement cache_replacement;
	struct cache_dirs *cache_dirs;
	const char *store_dir_select_algorithm; /* round-robin, or anything else: least-load */
	int cache_swap_low_percent, cache_swap_high_percent; /* without both lines: 100 */
	struct refresh_rules *refresh; /* refresh_pattern */
	struct size_rules *range_offset_limits; /* range_offset_limit; without a line: 0 */
	struct rate_limit_lines *rate_limits; /* rate_limit, ours */
	struct ban_lines *bans;         /* ban, ours */
	const char *ban_file;           /* ours; NULL: in the first cache_dir */
	struct access_list *ban_exempt; /* ours: deny (nobody is exempt) */
	struct delay_config *delays; /* delay_pools, client_delay_pools, response_delay_pool */
	struct upgrade_rules *upgrade_rules; /* http_upgrade_request_protocols */
	struct size_rules *reply_body_limits; /* reply_body_max_size; without a line: none */
	int64_t negative_ttl_ms;
	int64_t minimum_expiry_time_ms;
	int64_t max_stale_ms;
	int64_t quick_abort_min_bytes; /* -1: never abort */
	int64_t quick_abort_max_bytes;
	int quick_abort_percent;
	bool collapsed_forwarding; /* on unless said otherwise (Squid: off) */
	bool cache_miss_revalidate;
	bool offline_mode;
	bool refresh_all_ims;
	bool reload_into_ims;
	bool vary_ignore_expire;
	bool replay_set_cookie; /* ours */
	struct config_words compress_types; /* ours; n 0: the usual ones */
	int64_t compress_min_length_bytes;  /* ours */
	int compress_level;                 /* ours; 1 to 9 */
	bool cache_status_key; /* ours: Cache-Status shows the key */
	bool surrogate_remote; /* http_accel_surrogate_remote */

	/* Names. */
	struct config_words dns_nameservers; /* n 0: resolv.conf */
	const char *hosts_file;              /* NULL: none */
	const char *append_domain;           /* NULL: none; begins with a dot */
	bool dns_defnames;
	int64_t dns_timeout_ms;
	int64_t dns_retransmit_interval_ms;
	int64_t positive_dns_ttl_ms;
	int64_t negative_dns_ttl_ms;

	/* Error pages. */
	struct error_pages
		*error_pages;        /* ours, or those of error_directory, with the stylesheet */
	const char *error_directory; /* NULL: our own pages */
	const char *error_default_language; /* NULL: not said */
	enum error_language error_language; /* what that means */
	bool error_log_languages;
	const char *err_page_stylesheet;    /* NULL: none */
	const char *err_html_text;          /* NULL: none */
	bool email_err_data;
	struct deny_infos *deny_infos; /* deny_info */

	/* The cache manager. */
	struct cachemgr_passwds *cachemgr_passwds; /* cachemgr_passwd */
	bool client_db; /* what each client address asks for is counted */

	/* Who may do what. A list without a line is NULL: the comment says what that means. */
	struct acl_set *acls;
	struct access_list *http_access;         /* never NULL: without a line, deny all */
	struct access_list *adapted_http_access; /* allow */
	struct access_list *http_reply_access;   /* allow */
	struct access_list *proxy_protocol_access; /* deny */
	struct access_list *follow_x_forwarded_for; /* deny */
	bool acl_uses_indirect_client;
	bool log_uses_indirect_client;
	bool delay_pool_uses_indirect_client;
	struct access_list *miss_access;         /* allow */
	struct access_list *cache;               /* allow */
	struct access_list *send_hit;            /* allow */
	struct access_list *store_miss;          /* allow */
	struct access_list *compress;            /* ours; deny */
	struct access_list *collapsed_forwarding_access; /* allow */
	struct access_list *server_pconn_for_nonretriable;   /* deny */
	struct access_list *force_request_body_continuation; /* deny */
	struct access_list *broken_posts;                    /* deny */
	struct access_list *stats_collection;                /* allow */
	struct access_list *always_direct;       /* deny */
	struct access_list *never_direct;        /* deny */
	struct access_list *url_rewrite_access;  /* allow */
	struct access_list *store_id_access;     /* allow */

	/* Helper programs. Never NULL; a command without argv is no helper. */
	struct auth_config *auth; /* auth_param */
	struct auth_schemes *auth_schemes;
	int64_t authenticate_garbage_interval_ms;
	int64_t authenticate_ttl_ms;
	int64_t authenticate_ip_ttl_ms;
	struct rewrite_config *url_rewrite; /* url_rewrite_program and its family */
	struct rewrite_config *store_id;    /* store_id_program and its family */
	struct external_acl_types *external_acls; /* external_acl_type */
};

struct config_options {
	const char *service_name; /* -n; NULL: "squid" */
	bool is_parse_only;       /* -k parse: what only a start needs is told, not insisted on */
	bool may_lack_certificates; /* they are only warned of, as by a start */
	bool keep_lines;          /* "Processing: LINE" for each line in the report */
	const struct source *source; /* where files come from; NULL: the disk */
	const struct world *world;   /* names and files of the system; NULL: the real one */
	size_t memory_bytes;         /* for the default of cache_mem; 0: ask the system */
};

/* Reads path and all that it includes. NULL when report_exit_status says other than 0; the report
 * then holds every error of the files, with its place. options may be NULL. */
struct config *config_read(const char *path, const struct config_options *options,
                           struct report *report);

/* Does it speak of bans at all? */
bool config_has_bans(const struct config *config);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* accepts NULL */

/* What is read when no file is named: one of our own if it is there, else Squid's. */
const char *config_default_path(void);

#endif

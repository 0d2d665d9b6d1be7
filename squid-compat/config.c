/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading goes in three steps: the table's defaults, the lines, then what only the whole file shows
 * (config_finish.c). */
#include "squid-compat/config.h"

#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/auth_schemes.h"
#include "squid-compat/ban_lines.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/cachemgr_passwd.h"
#include "squid-compat/config_internal.h"
#include "squid-compat/delay_pools.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/log/access_log.h"
#include "squid-compat/note_rules.h"
#include "squid-compat/pages/deny_info.h"
#include "squid-compat/pages/error_page.h"
#include "squid-compat/parser.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/rate_limits.h"
#include "squid-compat/refresh_pattern.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/size_rules.h"
#include "squid-compat/socket_rules.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/upgrade_rules.h"

const char *config_default_path(void)
{
	static const char own[] = BOBTAIL_SYSCONFDIR "/bobtail/bobtail.conf";

	return access(own, F_OK) == 0 ? own : "/etc/squid/squid.conf";
}

static struct config *create(const struct world *world)
{
	struct config *config = mem_zalloc(sizeof(*config));
	struct arena *arena = &config->arena_;

	config->nrefs_ = 1;
	arena_init(arena, NULL, 0);
	config->lines = arena_zalloc(arena, READING_MAX_DIRECTIVES * sizeof(*config->lines));
	config->acls = acl_set_create();
	config->ports = arena_zalloc(arena, sizeof(*config->ports));
	ports_init(config->ports, arena, world);
	config->peers = arena_zalloc(arena, sizeof(*config->peers));
	peers_init(config->peers, arena, world);
	config->tls_outgoing = arena_zalloc(arena, sizeof(*config->tls_outgoing));
	tls_options_init(&config->tls_outgoing->options, TLS_LINE_PEER);
	config->logs = arena_zalloc(arena, sizeof(*config->logs));
	logformats_init(&config->logs->formats, arena);
	access_logs_init(&config->logs->logs, "access_log", arena, &config->logs->formats,
			 config->acls);
	access_logs_init(&config->logs->keys, "tls_key_log", arena, &config->logs->formats,
			 config->acls);
	config->cache_dirs = arena_zalloc(arena, sizeof(*config->cache_dirs));
	cache_dirs_init(config->cache_dirs, arena);
	config->delays = arena_zalloc(arena, sizeof(*config->delays));
	delay_config_init(config->delays);
	config->rate_limits = arena_zalloc(arena, sizeof(*config->rate_limits));
	rate_limit_lines_init(config->rate_limits, arena);
	config->bans = arena_zalloc(arena, sizeof(*config->bans));
	ban_lines_init(config->bans, arena);
	config->deny_infos = arena_zalloc(arena, sizeof(*config->deny_infos));
	deny_infos_init(config->deny_infos, arena);
	config->cachemgr_passwds = arena_zalloc(arena, sizeof(*config->cachemgr_passwds));
	cachemgr_passwds_init(config->cachemgr_passwds, arena);
	config->error_pages = arena_zalloc(arena, sizeof(*config->error_pages));
	error_pages_init(config->error_pages, arena, world);
	config->auth = arena_zalloc(arena, sizeof(*config->auth));
	auth_config_init(config->auth, arena, world);
	config->url_rewrite = arena_zalloc(arena, sizeof(*config->url_rewrite));
	rewrite_config_init(config->url_rewrite, false, arena, world);
	config->store_id = arena_zalloc(arena, sizeof(*config->store_id));
	rewrite_config_init(config->store_id, true, arena, world);
	config->external_acls = arena_zalloc(arena, sizeof(*config->external_acls));
	external_acl_types_init(config->external_acls, arena, world);
	config->notes = note_rules_create();
	config->auth_schemes = auth_schemes_create();
	config->request_headers = header_rules_create();
	config->reply_headers = header_rules_create();
	config->refresh = refresh_rules_create();
	config->range_offset_limits = size_rules_create();
	config->reply_body_limits = size_rules_create();
	config->upgrade_rules = upgrade_rules_create();
	return config;
}

static void destroy_access_lists(struct config *config)
{
	struct access_list *const lists[] = {
		config->http_access,
		config->adapted_http_access,
		config->http_reply_access,
		config->proxy_protocol_access,
		config->follow_x_forwarded_for,
		config->miss_access,
		config->cache,
		config->send_hit,
		config->store_miss,
		config->compress,
		config->collapsed_forwarding_access,
		config->server_pconn_for_nonretriable,
		config->force_request_body_continuation,
		config->broken_posts,
		config->stats_collection,
		config->always_direct,
		config->never_direct,
		config->url_rewrite_access,
		config->store_id_access,
		config->ban_exempt,
	};

	for (size_t i = 0; i < COUNT(lists); i++)
		access_list_destroy(lists[i]);
}

/* Lists and conditions point into the set of ACLs, which goes last. */
static void destroy(struct config *config)
{
	destroy_access_lists(config);
	note_rules_destroy(config->notes);
	auth_schemes_destroy(config->auth_schemes);
	header_rules_destroy(config->request_headers);
	header_rules_destroy(config->reply_headers);
	refresh_rules_destroy(config->refresh);
	size_rules_destroy(config->range_offset_limits);
	size_rules_destroy(config->reply_body_limits);
	upgrade_rules_destroy(config->upgrade_rules);
	socket_rules_destroy(config->outgoing_addresses);
	socket_rules_destroy(config->outgoing_tos);
	socket_rules_destroy(config->clientside_tos);
	delay_config_fini(config->delays);
	rate_limit_lines_fini(config->rate_limits);
	ban_lines_fini(config->bans);
	access_logs_fini(&config->logs->logs);
	access_logs_fini(&config->logs->keys);
	peers_fini(config->peers);
	acl_set_destroy(config->acls);
	arena_fini(&config->arena_);
	mem_free(config);
}

bool config_has_bans(const struct config *config)
{
	return config->bans->n > 0 || config->ban_file;
}

struct config *config_ref(struct config *config)
{
	/* Whoever refs holds a reference already: nothing to order. */
	__atomic_add_fetch(&config->nrefs_, 1, __ATOMIC_RELAXED);
	return config;
}

void config_unref(struct config *config)
{
	/* Acquire and release: the last one sees all that the others did before they let go. */
	if (config && __atomic_sub_fetch(&config->nrefs_, 1, __ATOMIC_ACQ_REL) == 0)
		destroy(config);
}

struct config *config_read(const char *path, const struct config_options *options,
                           struct report *report)
{
	static const struct config_options no_options;
	struct reading reading = {.report = report, .options = options ? options : &no_options};
	struct parser_options parser_options = {
		.source = reading.options->source,
		.service_name = reading.options->service_name,
		.keep_lines = reading.options->keep_lines,
	};

	reading.world = reading.options->world ? reading.options->world : &world_system;
	reading.config = create(reading.world);
	reading.config->path = reading_keep(&reading, str_of(path));
	httpd_accel_init(&reading.accel);
	reading_set_defaults(&reading);
	if (parser_read(path, &parser_options, report, reading_take_line, &reading))
		config_finish(&reading);
	if (report_exit_status(report, !reading.options->is_parse_only) == 0)
		return reading.config;
	config_unref(reading.config);
	return NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/snapshot.h"

#include <build-config.h>

#include "helpers/external_acl.h"
#include "helpers/pool.h"
#include "helpers/url_rewrite.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "proxy/fetch/balance.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/limits/bans.h"
#include "proxy/limits/rate_limits.h"
#include "proxy/log/access_logger.h"
#include "proxy/log/key_log.h"
#include "proxy/server.h"
#include "proxy/session/bandwidth.h"
#include "proxy/tls/tls_table.h"
#include "proxy/transaction/header_additions.h"
#include "proxy/transaction/security_headers.h"
#include "proxy/worker.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/refresh_pattern.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/tls/tls_outgoing.h"

enum { TARGET_MAX_BYTES = 65536 };

static struct str owned(char *text)
{
	return str_of(text);
}

static void free_str(struct str s)
{
	mem_free((void *)(uintptr_t)s.at);
}

/* ---- ready-made lines */

static uint16_t first_port(const struct config *config)
{
	return config->ports->first ? addr_port(&config->ports->first->addr) : 0;
}

static void make_lines(struct snapshot *snapshot)
{
	static const char *const found[] = {"MISS", "HIT"};
	static const char *const looked[] = {"NONE", "MISS", "HIT"};
	const struct config *config = snapshot->config;
	const char *host = config->visible_hostname, *name = config->unique_hostname;
	bool is_quiet = config->httpd_suppress_version_string;

	snapshot->software = owned(mem_strdup(is_quiet ? "bobtail" : "bobtail/" PACKAGE_VERSION));
	snapshot->via_value = owned(mem_printf("1.1 %s (%s)", name, snapshot->software.at));
	snapshot->via_mark = owned(mem_printf(" %s (", name));
	snapshot->via_line = config->via
				     ? owned(mem_printf("Via: %s\r\n", snapshot->via_value.at))
				     : owned(mem_strdup(""));
	snapshot->via_joint = owned(mem_printf(", %s\r\n", snapshot->via_value.at));
	snapshot->cache_status = owned(mem_printf("Cache-Status: \"%s\"", host));
	snapshot->cache_status_hit =
		owned(mem_printf("%s;hit;ttl=", snapshot->cache_status.at));
	snapshot->surrogate_line =
		owned(mem_printf("Surrogate-Capability: %s=\"Surrogate/1.0\"\r\n",
				 config->surrogate_id));
	for (int hit = 0; hit < 2; hit++)
		for (int look = 0; look < LOOKUP_OUTCOMES; look++)
			snapshot->reply_lines[hit][look] = owned(mem_printf(
				"X-Cache: %s from %s\r\nX-Cache-Lookup: %s from %s:%u\r\n",
				found[hit], host, looked[look], host, first_port(config)));
}

static void free_lines(struct snapshot *snapshot)
{
	free_str(snapshot->software);
	free_str(snapshot->via_value);
	free_str(snapshot->via_mark);
	free_str(snapshot->via_line);
	free_str(snapshot->via_joint);
	free_str(snapshot->cache_status);
	free_str(snapshot->cache_status_hit);
	free_str(snapshot->surrogate_line);
	for (int hit = 0; hit < 2; hit++)
		for (int look = 0; look < LOOKUP_OUTCOMES; look++)
			free_str(snapshot->reply_lines[hit][look]);
}

/* ---- helpers */

/* On the home loop: the last child of a pool has gone. A stopping server waits for that. */
static void pool_gone(void *arg)
{
	struct server *server = arg;

	atomic_fetch_sub_explicit(&server->npools, 1, memory_order_relaxed);
	worker_session_ended(server->workers[0]);
}

/* config: what these helpers have of their own; the rest is the same for all. */
static struct helper_pool *start_pool(struct snapshot *snapshot, struct helper_pool_config config,
				      const struct helper_command *command,
				      const struct helper_children *children)
{
	config.argv = command->argv;
	config.max = children->max;
	config.startup = children->startup;
	config.idle = children->idle;
	config.concurrency = children->concurrency;
	config.queue_size = helper_queue_size(children, config.bypass_when_full);
	config.reservation_ms = (int64_t)children->reservation_timeout_s * 1000;
	config.gone = pool_gone;
	config.gone_arg = snapshot->server;
	atomic_fetch_add_explicit(&snapshot->server->npools, 1, memory_order_relaxed);
	return helper_pool_create(snapshot->server->workers[0]->loop, &config);
}

static void make_rewrite_policy(struct snapshot *snapshot)
{
	static const enum url_rewrite_on_timeout actions[] = {
		[REWRITE_TIMEOUT_NONE] = URL_REWRITE_TIMEOUT_BYPASS,
		[REWRITE_TIMEOUT_FAIL] = URL_REWRITE_TIMEOUT_FAIL,
		[REWRITE_TIMEOUT_BYPASS] = URL_REWRITE_TIMEOUT_BYPASS,
		[REWRITE_TIMEOUT_RETRY] = URL_REWRITE_TIMEOUT_FAIL,
		[REWRITE_TIMEOUT_RESPONSE] = URL_REWRITE_TIMEOUT_RESPONSE,
	};
	const struct rewrite_config *config = snapshot->config->url_rewrite;
	struct url_rewrite_policy *policy = mem_zalloc(sizeof(*policy));
	struct helper_reply *response;

	policy->on_timeout = actions[config->on_timeout];
	snapshot->rewrite_policy = policy;
	if (config->on_timeout != REWRITE_TIMEOUT_RESPONSE)
		return;
	response = mem_zalloc(sizeof(*response));
	snapshot->rewrite_response_text = str_dup(config->timeout_response);
	helper_reply_parse(snapshot->rewrite_response_text, config->timeout_response.len, response);
	snapshot->rewrite_response = response;
	policy->response = response;
}

/* Ours: of kinds for which Squid knows no time-out. */
enum { TIMEOUT_RESENDS = 2, HELPER_TIMEOUT_MS = 60000 };

static void start_rewriter(struct snapshot *snapshot)
{
	const struct rewrite_config *config = snapshot->config->url_rewrite;
	struct helper_pool_config own = {
		.kind = "redirector",
		.bypass_when_full = config->is_bypass_on,
		.timeout_ms = config->on_timeout == REWRITE_TIMEOUT_NONE ? HELPER_TIMEOUT_MS
	                                                                 : config->timeout_ms,
		.timeout_resends =
			config->on_timeout == REWRITE_TIMEOUT_RETRY ? TIMEOUT_RESENDS : 0,
	};

	make_rewrite_policy(snapshot);
	if (config->command.argc > 0)
		snapshot->url_rewrite =
			start_pool(snapshot, own, &config->command, &config->children);
}

static void start_auth(struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct helper_pool *pools[AUTH_KINDS] = {NULL};

	for (unsigned i = 0; i < AUTH_KINDS; i++) {
		const struct auth_scheme *scheme = &config->auth->schemes[i];
		struct helper_children children = scheme->children;
		struct helper_pool_config own = {.kind = auth_kind_pool_name(scheme->kind),
						 .timeout_ms = HELPER_TIMEOUT_MS};

		if (i == AUTH_NTLM || i == AUTH_NEGOTIATE)
			children.concurrency = 0; /* a child talks with one client */
		if (auth_is_usable(scheme))
			pools[i] = start_pool(snapshot, own, &scheme->command, &children);
	}
	authenticators_init(&snapshot->auth, config, snapshot->server, pools);
}

static void start_store_id(struct snapshot *snapshot)
{
	const struct rewrite_config *config = snapshot->config->store_id;
	struct helper_pool_config own = {
		.kind = "store_id",
		.bypass_when_full = config->is_bypass_on,
		.timeout_ms = HELPER_TIMEOUT_MS,
	};

	if (config->command.argc > 0)
		snapshot->store_id =
			start_pool(snapshot, own, &config->command, &config->children);
}

static struct external_acl *start_external(struct snapshot *snapshot,
					   const struct external_acl_type *type,
					   struct helper_pool *pool)
{
	const struct external_acl_config config = {
		.pool = pool,
		.tables = snapshot->server->externals,
		.identity = type->identity,
		.name = type->name.at,
		.max_entries = type->max_entries,
		.ttl_ms = type->ttl_s * 1000,
		.negative_ttl_ms = type->negative_ttl_s * 1000,
		.grace_percent = type->grace_percent,
		.stale_ms = type->stale_s * 1000,
	};

	return external_acl_create(&config);
}

/* A full queue turns requests away at once: Squid's does, too. */
static void start_externals(struct snapshot *snapshot)
{
	const struct external_acl_types *types = snapshot->config->external_acls;
	size_t i = 0;

	if (types->n == 0)
		return;
	snapshot->external_types = mem_array(types->n, sizeof(*snapshot->external_types));
	snapshot->external_pools = mem_array(types->n, sizeof(*snapshot->external_pools));
	snapshot->externals = mem_array(types->n, sizeof(*snapshot->externals));
	for (const struct external_acl_type *type = types->first; type; type = type->next, i++) {
		struct helper_children children = type->children;
		struct helper_pool_config own = {
			.kind = "external_acl_type",
			.bypass_when_full = true,
			.timeout_ms = type->timeout_s * 1000,
		};

		children.queue_size = (int)helper_queue_size(&children, false);
		snapshot->external_types[i] = type;
		snapshot->external_pools[i] =
			start_pool(snapshot, own, &type->command, &children);
		snapshot->externals[i] =
			start_external(snapshot, type, snapshot->external_pools[i]);
	}
}

static void stop_externals(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->config->external_acls->n; i++) {
		external_acl_unref(snapshot->externals[i]);
		helper_pool_unref(snapshot->external_pools[i]);
	}
	mem_free(snapshot->external_types);
	mem_free(snapshot->external_pools);
	mem_free(snapshot->externals);
}

/* ---- peers */

static void find_peers(struct snapshot *snapshot)
{
	const struct peers *peers = snapshot->config->peers;

	snapshot->peers = mem_array(peers->n, sizeof(struct peer_state *));
	for (const struct peer *peer = peers->first; peer; peer = peer->next)
		snapshot->peers[peer->index] =
			peer_table_get(snapshot->server->peers, peer->name);
	snapshot->balances = mem_array(snapshot->server->nworkers, sizeof(struct balance *));
	for (unsigned i = 0; i < snapshot->server->nworkers; i++)
		snapshot->balances[i] =
			balance_create(peers, snapshot->peers, snapshot->server->peers);
}

static void forget_peers(struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->server->nworkers; i++)
		balance_destroy(snapshot->balances[i]);
	mem_free(snapshot->balances);
	mem_free(snapshot->peers);
}

static void set_tls_ports(struct snapshot *snapshot)
{
	const struct ports *ports = snapshot->config->ports;

	snapshot->tls_ports = mem_array(ports->n, sizeof(struct tls_port *));
	for (const struct port *port = ports->first; port; port = port->next)
		if (port->is_tls)
			snapshot->tls_ports[port->index] = tls_table_set_port(
				snapshot->server->tls, port, &port->tls_files, false);
}

static bool may_go_direct(const struct config *config)
{
	for (const struct port *port = config->ports->first; port; port = port->next)
		if (port->may_go_direct)
			return true;
	return config->always_direct != NULL;
}

static void set_tls_peers(struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct tls_table *table = snapshot->server->tls;

	snapshot->tls_peers = mem_array(config->peers->n, sizeof(struct tls_peer *));
	for (const struct peer *peer = config->peers->first; peer; peer = peer->next)
		if (peer->is_tls)
			snapshot->tls_peers[peer->index] = tls_table_set_peer(
				table, peer->name, &peer->tls, &peer->tls.files, false);
	if (may_go_direct(config) && !config->tls_outgoing->is_off)
		snapshot->tls_direct = tls_table_set_peer(table, STR(""), config->tls_outgoing,
		                                          &config->tls_outgoing->files, false);
}

/* Squid: maximum_object_size is but the default of the cache_dir lines behind it. */
static uint64_t max_stored_bytes(const struct config *config)
{
	int64_t max = config->maximum_object_size_in_memory_bytes;

	for (const struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next) {
		if (dir->max_object_bytes < 0)
			return 0;
		if (dir->max_object_bytes > max)
			max = dir->max_object_bytes;
	}
	return (uint64_t)max;
}

struct snapshot *snapshot_create(struct server *server, struct config *config)
{
	struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));

	atomic_init(&snapshot->refs_, 1);
	snapshot->config = config;
	snapshot->server = server;
	make_lines(snapshot);
	snapshot->has_reply_rules = !header_rules_is_empty(config->reply_headers);
	snapshot->has_request_rules = !header_rules_is_empty(config->request_headers);
	snapshot->max_stored_bytes = max_stored_bytes(config);
	snapshot->has_purge = acl_set_names_method(config->acls, STR("PURGE"));
	snapshot->has_manager_rule = access_list_names(config->http_access, STR("manager"));
	snapshot->has_reload_option =
		config->reload_into_ims || refresh_rules_have_reload_option(config->refresh);
	snapshot->request_additions = header_additions_create(config->request_headers);
	snapshot->reply_additions = header_additions_create(config->reply_headers);
	find_peers(snapshot);
	set_tls_ports(snapshot);
	set_tls_peers(snapshot);
	snapshot->bandwidth = bandwidth_create(config->delays, clock_mono_ms());
	snapshot->rate_limits = rate_limits_create(config->rate_limits, server->rate_counters);
	snapshot->has_bans = config_has_bans(config);
	snapshot->bans = bans_create(config->bans, config->ban_exempt, server->bans);
	snapshot->has_guard = snapshot->rate_limits || snapshot->has_bans;
	snapshot->security_headers = security_headers_create(config->security_headers);
	snapshot->logger = access_logger_create(config, server->log);
	snapshot->keys = key_log_create(config, server->log, server->nworkers);
	start_rewriter(snapshot);
	start_auth(snapshot);
	start_store_id(snapshot);
	start_externals(snapshot);
	return snapshot;
}

static void each_pool(struct snapshot *snapshot, void (*act)(struct helper_pool *pool))
{
	if (snapshot->url_rewrite)
		act(snapshot->url_rewrite);
	for (size_t i = 0; i < AUTH_KINDS; i++)
		if (snapshot->auth.pools[i])
			act(snapshot->auth.pools[i]);
	if (snapshot->store_id)
		act(snapshot->store_id);
	for (size_t i = 0; i < snapshot->config->external_acls->n; i++)
		act(snapshot->external_pools[i]);
}

void snapshot_retire(struct snapshot *snapshot)
{
	each_pool(snapshot, helper_pool_retire);
}

void snapshot_renew_helpers(struct snapshot *snapshot)
{
	each_pool(snapshot, helper_pool_renew);
}

void snapshot_abandon_helpers(struct snapshot *snapshot)
{
	each_pool(snapshot, helper_pool_abandon);
}

struct snapshot *snapshot_ref_many(struct snapshot *snapshot, unsigned n)
{
	atomic_fetch_add_explicit(&snapshot->refs_, n, memory_order_relaxed);
	return snapshot;
}

void snapshot_unref_many(struct snapshot *snapshot, unsigned n)
{
	/* Release what this thread did with it; whoever is last acquires what all did. */
	if (!snapshot ||
	    atomic_fetch_sub_explicit(&snapshot->refs_, n, memory_order_acq_rel) > n)
		return;
	if (snapshot->url_rewrite)
		helper_pool_unref(snapshot->url_rewrite);
	authenticators_fini(&snapshot->auth);
	if (snapshot->store_id)
		helper_pool_unref(snapshot->store_id);
	stop_externals(snapshot);
	access_logger_destroy(snapshot->logger);
	key_log_destroy(snapshot->keys);
	security_headers_destroy(snapshot->security_headers);
	bandwidth_destroy(snapshot->bandwidth);
	rate_limits_destroy(snapshot->rate_limits);
	bans_destroy(snapshot->bans);
	mem_free(snapshot->rewrite_policy);
	mem_free(snapshot->rewrite_response);
	mem_free(snapshot->rewrite_response_text);
	forget_peers(snapshot);
	mem_free(snapshot->tls_ports);
	mem_free(snapshot->tls_peers);
	header_additions_destroy(snapshot->request_additions);
	header_additions_destroy(snapshot->reply_additions);
	free_lines(snapshot);
	config_unref(snapshot->config);
	mem_free(snapshot);
}

struct h1_limits snapshot_request_limits(const struct snapshot *snapshot, const struct port *port)
{
	return (struct h1_limits){
		.head_bytes = (uint32_t)snapshot->config->request_header_max_bytes,
		.target_bytes = TARGET_MAX_BYTES,
		.allow_no_host = port && port_allows_no_host(port),
		.allow_blanks = snapshot->config->uri_whitespace != URI_WHITESPACE_DENY,
	};
}

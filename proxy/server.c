/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/server.h"

#include <string.h>
#include <unistd.h>

#include "cache/disk/disk.h"
#include "cache/index.h"
#include "cache/partial_table.h"
#include "cache/purge.h"
#include "cache/spool.h"
#include "helpers/auth_users.h"
#include "helpers/digest_nonce.h"
#include "helpers/external_acl.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/resolver.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/overload.h"
#include "proxy/limits/rate_limits.h"
#include "proxy/log/store_log.h"
#include "proxy/process/process.h"
#include "proxy/session/client_table.h"
#include "proxy/snapshot.h"
#include "proxy/store/promotion.h"
#include "proxy/tls/handshake_rate.h"
#include "proxy/tls/tls_table.h"
#include "proxy/transaction/user_ips.h"
#include "proxy/worker.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/machine.h"
#include "squid-compat/ports.h"

enum {
	INDEX_SHARDS = 16,
	QUEUE_MIN_BYTES = 8 << 20,
	QUEUE_SPARE_BYTES = 64 << 20,
	QUEUE_MAX_BYTES = 256 << 20,
	PARTS_SHARE = 8,
	SPOOL_SHARE = 8,
};

/* ---- the cache */

/* SQL typed elsewhere removed a row: memory forgets its copies. From a disk's writer thread. */
static void disk_removed(void *owner, uint64_t key, uint64_t id)
{
	struct server *server = owner;

	index_remove_stored(server->index, key, id);
}

/* memory_cache_mode disk: what lies there needs no place in memory. From a disk's writer thread. */
static void disk_stored(void *owner, struct object *object)
{
	struct server *server = owner;

	if (server->store_log)
		store_log_stored(server->store_log, object);
	if (atomic_load_explicit(&server->forgets_stored, memory_order_relaxed))
		index_remove(server->index, object);
}

static void follow_memory_cache_mode(struct server *server, const struct config *config)
{
	bool forgets = config->memory_cache_mode == MEMORY_CACHE_DISK ||
		       config->memory_cache_mode == MEMORY_CACHE_NEVER;

	atomic_store_explicit(&server->forgets_stored, forgets, memory_order_relaxed);
}

static uint64_t within(uint64_t bytes, uint64_t least, uint64_t most)
{
	if (bytes > most)
		bytes = most;
	return bytes > least ? bytes : least;
}

/* Objects that wait to be written keep their memory, most of them as a part of cache_mem: together
 * at most half of that, and a 32nd of what the machine has. With a small cache_mem a 256th of the
 * machine's, since what a disk is late with for a moment would not be stored. */
static uint64_t queue_limit(const struct config *config)
{
	uint64_t memory = machine_memory_bytes(), half = (uint64_t)config->cache_mem_bytes / 2;
	uint64_t least = within(memory / 256, QUEUE_MIN_BYTES, QUEUE_SPARE_BYTES);

	return within(memory / 32 < half ? memory / 32 : half, least, QUEUE_MAX_BYTES);
}

/* What Squid has stored there, by the name of its index (rock: of its file), takes room on the disk
 * and is no use. */
static void say_squids_files(const char *directory)
{
	static const char *const names[] = {"swap.state", "rock"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char *path = mem_printf("%s/%s", directory, names[i]);

		if (access(path, F_OK) == 0)
			log_say(1, "cache_dir %s: Squid's files there (%s) are left alone, and not used",
				directory, names[i]);
		mem_free(path);
	}
}

static enum eviction eviction_of(enum replacement replacement)
{
	static const enum eviction evictions[REPLACEMENTS] = {
		[REPLACEMENT_OWN] = EVICTION_OWN,
		[REPLACEMENT_LRU] = EVICTION_LRU,
		[REPLACEMENT_GDSF] = EVICTION_GDSF,
		[REPLACEMENT_LFUDA] = EVICTION_LFUDA,
	};

	return evictions[replacement];
}

static struct disk_marks swap_marks(const struct config *config)
{
	return (struct disk_marks){.low_percent = (unsigned)config->cache_swap_low_percent,
				   .high_percent = (unsigned)config->cache_swap_high_percent};
}

static void open_disk(struct server *server, const struct cache_dir *dir, uint64_t seed,
		      uint64_t queue_bytes, struct disk_marks marks)
{
	const struct disk_config disk = {
		.number = server->ndisks,
		.seed = seed,
		.directory = dir->path.at,
		.max_bytes = dir->max_bytes,
		.marks = marks,
		.policy = eviction_of(dir->replacement),
		.min_object_bytes = (uint64_t)dir->min_object_bytes,
		.queue_bytes = queue_bytes,
		.write_budget_bytes = (uint64_t)dir->write_budget_bytes,
		.max_object_bytes = dir->max_object_bytes < 0 ? 0 : (uint64_t)dir->max_object_bytes,
		.no_store = dir->is_read_only,
		.is_patient = true,
		.on_removed = disk_removed,
		.on_stored = disk_stored,
		.owner = server,
		.purges = server->purges,
	};
	struct err_text why;

	if (server->ndisks == SERVER_MAX_DISKS) {
		log_say(0, "ERROR: more than %d cache_dir lines; %s is not used", SERVER_MAX_DISKS,
			disk.directory);
		return;
	}
	if (disk_open(&disk, &server->disks[server->ndisks], &why) != ERR_OK) {
		log_say(0, "ERROR: cache_dir %s: %s; going on without it", disk.directory, why.at);
		return;
	}
	server->ndisks++;
	say_squids_files(disk.directory);
}

/* What is not whole gets a small share beside cache_mem. */
static size_t parts_bytes(const struct config *config)
{
	return (size_t)config->cache_mem_bytes / PARTS_SHARE;
}

/* Keys are one number for memory and all disks: by the seed of the first file that there is. 0:
 * that of the only one. */
static uint64_t common_seed(const struct cache_dirs *dirs)
{
	uint64_t seed = 0;

	if (dirs->n == 0)
		return 0;
	/* That of the only one, which another process may hold a while longer. */
	if (dirs->n == 1)
		return disk_read_seed(dirs->first->path.at);
	for (const struct cache_dir *dir = dirs->first; dir && seed == 0; dir = dir->next)
		seed = disk_read_seed(dir->path.at);
	return seed ? seed : random_u64() | 1;
}

/* A share of each cache_dir, but for those that are spared writes; then one of cache_mem. */
static void open_spools(struct server *server, const struct config *config)
{
	struct spool_place places[SPOOLS_MAX_PLACES];
	struct err_text why;
	unsigned n = 0;

	for (const struct cache_dir *dir = config->cache_dirs->first;
	     dir && n < SPOOLS_MAX_PLACES - 1; dir = dir->next)
		if (!dir->is_read_only && dir->write_budget_bytes == 0)
			places[n++] =
				(struct spool_place){dir->path.at, dir->max_bytes / SPOOL_SHARE};
	places[n++] = (struct spool_place){NULL, (uint64_t)config->cache_mem_bytes / SPOOL_SHARE};
	server->spools = spools_create(places, n, &why);
	if (!server->spools)
		log_say(0, "ERROR: no spool: %s; going on without it", why.at);
}

static void open_cache(struct server *server, const struct config *config)
{
	const char *algorithm = config->store_dir_select_algorithm;
	uint64_t seed = common_seed(config->cache_dirs);

	follow_memory_cache_mode(server, config);
	server->takes_turns = algorithm && str_eq_nocase(str_of(algorithm), STR("round-robin"));
	for (const struct cache_dir *dir = config->cache_dirs->first; dir; dir = dir->next)
		open_disk(server, dir, seed, queue_limit(config), swap_marks(config));
	server->promotion = promotion_create((size_t)config->cache_mem_bytes);
	server->index = index_create(INDEX_SHARDS, (size_t)config->cache_mem_bytes,
				     server->ndisks > 0 ? disk_seed(server->disks[0])
							: random_u64());
	index_set_policy(server->index, eviction_of(config->memory_replacement),
			 clock_mono_coarse_ms);
	server->parts = partial_table_create(parts_bytes(config));
	open_spools(server, config);
}

/* ---- workers */

static char *nameservers(const struct config *config)
{
	char *text = NULL;

	for (size_t i = 0; i < config->dns_nameservers.n; i++) {
		char *longer = mem_printf("%s%s%s", text ? text : "", text ? " " : "",
					  config->dns_nameservers.at[i]);

		mem_free(text);
		text = longer;
	}
	return text;
}

struct resolver *server_make_resolver(const struct config *config, struct loop *loop,
				      struct err_text *why)
{
	char *servers = nameservers(config);
	const struct resolver_options options = {
		.nameservers = servers,
		.hosts_file = config->hosts_file ? config->hosts_file : "none",
		.uses_search_list = config->dns_defnames,
		.timeout_ms = config->dns_timeout_ms,
		.retransmit_ms = config->dns_retransmit_interval_ms,
		.positive_ttl_ms = config->positive_dns_ttl_ms,
		.negative_ttl_ms = config->negative_dns_ttl_ms,
	};
	struct resolver *resolver = resolver_create(loop, &options, why);

	mem_free(servers);
	return resolver;
}

static enum err make_worker(struct server *server, const struct config *config,
			    struct err_text *why)
{
	struct worker *worker = worker_create(server, server->nworkers, why);

	if (!worker)
		return ERR_IO;
	server->workers[server->nworkers++] = worker;
	worker->resolver = server_make_resolver(config, worker->loop, why);
	return worker->resolver ? ERR_OK : ERR_RESOLVE;
}

static enum err start_workers(struct server *server, struct err_text *why)
{
	for (unsigned i = 0; i < server->nworkers; i++) /* its peers are looked after */
		worker_post_snapshot(server->workers[i], server->current);
	atomic_init(&server->nserving, server->nworkers);
	for (unsigned i = 0; i < server->nworkers; i++) {
		enum err err = worker_start(server->workers[i], why);

		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* Those that the configuration names have their rows before anybody else. */
static void name_sites(struct server *server, const struct config *config)
{
	for (const struct port *port = config->ports->first; port; port = port->next)
		site_names_find(&server->site_names, port->site_host, true);
}

enum err server_prepare(struct server *server, struct config *config, struct err_text *why)
{
	unsigned n = config->nworkers < SERVER_MAX_WORKERS ? config->nworkers : SERVER_MAX_WORKERS;
	struct snapshot *snapshot;

	server->started_us = clock_mono_us();
	server->purges = purge_list_create();
	server->peers = peer_table_create();
	server->users = auth_users_create();
	server->nonces = digest_nonces_create();
	server->externals = external_acl_tables_create();
	server->user_ips = user_ips_create();
	server->tls = tls_table_create();
	server->handshakes = mem_zalloc(sizeof(*server->handshakes));
	server->handshakes->seed = random_u64();
	tracer_init(&server->tracer);
	server->clients = client_table_create();
	server->overload = overload_create(process_max_files());
	server->bans = ban_table_create();
	server->rate_counters = rate_counters_create();
	site_names_init(&server->site_names);
	name_sites(server, config);
	for (unsigned i = 0; i < n; i++) {
		enum err err = make_worker(server, config, why);

		if (err != ERR_OK)
			return err;
	}
	server->store_log = store_log_create(config, server->log, n);
	open_cache(server, config);
	snapshot = snapshot_create(server, config);
	for (unsigned i = 0; i < n; i++)
		server->workers[i]->snapshot = snapshot_ref(snapshot);
	server->current = snapshot;
	return ERR_OK;
}

enum err server_start(struct server *server, struct err_text *why)
{
	return start_workers(server, why);
}

void server_reconfigure(struct server *server, struct config *config)
{
	struct snapshot *snapshot = snapshot_create(server, config);

	name_sites(server, config);
	follow_memory_cache_mode(server, config);
	index_set_max_bytes(server->index, (size_t)config->cache_mem_bytes);
	partial_table_set_max_bytes(server->parts, parts_bytes(config));
	for (unsigned i = 0; i < server->ndisks; i++)
		disk_set_marks(server->disks[i], swap_marks(config));
	for (unsigned i = 0; i < server->nworkers; i++)
		worker_post_snapshot(server->workers[i], snapshot);
	snapshot_retire(server->current);
	snapshot_unref(server->current);
	server->current = snapshot;
}

/* ---- the end */

void server_renew_helpers(struct server *server)
{
	snapshot_renew_helpers(server->current);
}

void server_post_stop(struct server *server, int64_t wait_ms)
{
	for (unsigned i = 0; i < server->nworkers; i++)
		worker_post_stop(server->workers[i], wait_ms);
}

void server_post_drain(struct server *server, int64_t wait_ms)
{
	for (unsigned i = 0; i < server->ndisks; i++)
		disk_hand_over(server->disks[i]);
	for (unsigned i = 0; i < server->nworkers; i++)
		worker_post_drain(server->workers[i], wait_ms);
}

void server_join(struct server *server)
{
	snapshot_unref(server->current);
	server->current = NULL;
	for (unsigned i = 0; i < server->nworkers; i++)
		worker_join(server->workers[i]);
}

void server_stop(struct server *server)
{
	for (unsigned i = 0; i < server->ndisks; i++)
		disk_close(server->disks[i]);
	store_log_destroy(server->store_log);
	spools_stop(server->spools);
	for (unsigned i = 0; i < server->nworkers; i++)
		worker_destroy(server->workers[i]);
	promotion_destroy(server->promotion);
	index_destroy(server->index);
	spools_destroy(server->spools);
	partial_table_destroy(server->parts);
	auth_users_unref(server->users);
	digest_nonces_unref(server->nonces);
	external_acl_tables_destroy(server->externals);
	user_ips_destroy(server->user_ips);
	tls_table_destroy(server->tls);
	mem_free(server->handshakes);
	tracer_fini(&server->tracer);
	client_table_destroy(server->clients);
	overload_destroy(server->overload);
	rate_counters_destroy(server->rate_counters);
	ban_table_destroy(server->bans);
	site_names_fini(&server->site_names);
	purge_list_destroy(server->purges);
	peer_table_destroy(server->peers);
}

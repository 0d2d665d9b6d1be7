/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/server.h: what all workers share, and nothing else is shared (docs/ARCHITECTURE.md lists
 * it): the current snapshot, the index of objects in memory, the disk tiers, the peers' state, the
 * log writer. Each part guards itself; the struct is filled before the workers start. */
#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H
#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/lock.h"
#include "proxy/manager/sites.h"
#include "proxy/trace/tracer.h"
#include "proxy/transaction/background.h"

struct auth_users;
struct ban_table;
struct digest_nonces;
struct client_table;
struct config;
struct disk;
struct external_acl_tables;
struct index;
struct log_writer;
struct overload; /* proxy/limits/overload.h */
struct manager;
struct partial_table;
struct peer_table;
struct promotion;
struct purge_list;
struct loop;
struct rate_counters;
struct resolver;
struct snapshot;
struct spools;
struct store_log;
struct handshake_rate; /* proxy/tls/handshake_rate.h */
struct tls_table;
struct user_ips;
struct worker;

enum { SERVER_MAX_DISKS = 16, SERVER_MAX_WORKERS = 64 };

struct server {
	struct worker *workers[SERVER_MAX_WORKERS];
	unsigned nworkers;
	struct index *index;
	struct partial_table *parts; /* responses that are not whole */
	struct disk *disks[SERVER_MAX_DISKS];
	unsigned ndisks;
	bool takes_turns;      /* store_dir_select_algorithm round-robin */
	atomic_uint disk_turn; /* relaxed, a count */
	atomic_bool forgets_stored; /* memory_cache_mode: what is on disk leaves memory; relaxed */
	struct promotion *promotion; /* which hits on disk go to memory */
	struct spools *spools; /* of bodies that several read at once; NULL: there are none */
	struct purge_list *purges; /* the last ones by pattern */
	struct peer_table *peers;
	struct auth_users *users; /* credentials that helpers confirmed */
	struct digest_nonces *nonces; /* of digest authentication */
	struct external_acl_tables *externals; /* what external ACLs' helpers said */
	struct user_ips *user_ips; /* where users were seen */
	struct log_writer *log;
	struct store_log *store_log; /* NULL: there is none */
	struct manager *manager;  /* the cache manager: workers hand requests to it (manager.h) */
	struct tls_table *tls;    /* proxy/tls/tls_table.h */
	struct handshake_rate *handshakes;
	struct site_names site_names; /* what the counts of sites are called */
	struct tracer tracer; /* who looks at requests */
	struct client_table *clients; /* how many connections each has */
	struct ban_table *bans; /* who is shut out */
	struct overload *overload; /* whether there is too much to do */
	atomic_int_least64_t shed_ms; /* a worker closed idle connections; relaxed */
	struct rate_counters *rate_counters; /* of rate_limit */
	struct snapshot *current; /* the newest; a reference. The main thread's */
	int64_t started_us; /* monotonic */
	struct background_table background;
	atomic_uint nserving;     /* workers with requests, or that take them */
	atomic_int npools;        /* helper pools that have not gone yet; relaxed, a count */
};

/* Builds what config asks for: workers (not yet running), disks, index, the first snapshot. Takes
 * over config's reference. server->log is set by the caller before. */
enum err server_prepare(struct server *server, struct config *config, struct err_text *why);
/* Starts the workers' threads. Listeners are posted to them (worker_post_listener). */
enum err server_start(struct server *server, struct err_text *why);

/* By config's dns_ directives, for a loop; NULL: none can be made. */
struct resolver *server_make_resolver(const struct config *config, struct loop *loop,
				      struct err_text *why);

/* A new configuration for all workers: takes over its reference. Any thread. */
void server_reconfigure(struct server *server, struct config *config);

/* Fresh helpers take over, the old ones end (rotation). The main thread. */
void server_renew_helpers(struct server *server);

/* No new connections; requests under way have up to wait_ms, then they are cut. May be said again
 * with a shorter time. Any thread. */
void server_post_stop(struct server *server, int64_t wait_ms);
/* The same for a successor that serves already: it gets the disks, and idle connections close when
 * their clients have had a chance to ask once more. */
void server_post_drain(struct server *server, int64_t wait_ms);
/* Waits for the workers to end, after server_post_stop, which may be said again meanwhile. Any
 * thread, so that the main thread hears the next signal. */
void server_join(struct server *server);
/* After server_join, on the main thread: closes the disks and frees all. */
void server_stop(struct server *server);

#endif

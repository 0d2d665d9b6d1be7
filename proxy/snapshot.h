/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/snapshot.h: one configuration at work: the typed squid.conf and what is made of it once, so
 * that no request has to: ready-made header lines, the peers' shared state, helper pools.
 *
 * Threads: immutable after snapshot_create, counted atomically, read by all workers. The helper
 * pools live on the home loop (worker 0's), which may ref and unref them from anywhere. */
#ifndef PROXY_SNAPSHOT_H
#define PROXY_SNAPSHOT_H
#include <stdatomic.h>

#include "lib/base/str.h"
#include "lib/http/h1.h"
#include "lib/net/loop.h"
#include "proxy/transaction/authenticators.h"
#include "squid-compat/pages/error_page.h"

struct access_logger;
struct balance;
struct bandwidth;
struct bans;
struct config;
struct external_acl;
struct external_acl_type;
struct header_additions;
struct helper_pool;
struct helper_reply;
struct key_log;
struct peer_state;
struct port;
struct rate_limits;
struct security_headers;
struct server;
struct tls_peer;
struct tls_port;
struct url_rewrite_policy;

/* How the look-up went, for X-Cache-Lookup. */
enum lookup_outcome {
	LOOKUP_NONE, /* there was none */
	LOOKUP_MISS,
	LOOKUP_HIT,
	LOOKUP_OUTCOMES
};

struct snapshot {
	atomic_uint refs_;
	struct config *config;
	struct server *server;

	/* "X-Cache: HIT from HOST\r\nX-Cache-Lookup: HIT from HOST:PORT\r\n" */
	struct str reply_lines[2][LOOKUP_OUTCOMES]; /* [is a hit][outcome] */
	/* "Cache-Status: \"HOST\"" and what a hit puts behind it, up to its number of seconds */
	struct str cache_status, cache_status_hit;
	struct str via_line;           /* "Via: 1.1 HOST (bobtail/0.1.0)\r\n"; empty: via off */
	struct str via_value;          /* "1.1 HOST (bobtail/0.1.0)" */
	struct str via_joint;          /* ", 1.1 HOST (bobtail/0.1.0)\r\n": behind a received one */
	struct str via_mark;           /* " HOST (": in a received Via it means a loop */
	struct str software;           /* "bobtail/0.1.0" or "bobtail" */
	struct str surrogate_line;     /* "Surrogate-Capability: ID=\"Surrogate/1.0\"\r\n" */
	bool has_reply_rules;          /* some reply_header_* directive: the slow way to write heads */
	bool has_request_rules;
	struct header_additions *request_additions, *reply_additions; /* NULL: none */
	bool has_purge;                /* an ACL names method PURGE */
	bool has_manager_rule;         /* http_access speaks of the ACL manager */
	bool has_reload_option;
	uint64_t max_stored_bytes;     /* of a body, in memory or on some disk; 0: no limit */

	struct peer_state **peers;     /* by peer->index; shared, outside the snapshot */
	struct balance **balances;     /* by worker; each one's own (proxy/fetch/balance.h) */
	struct tls_port **tls_ports;   /* by port->index, NULL: speaks no TLS; shared as well */
	struct tls_peer **tls_peers;   /* by peer->index; likewise */
	struct tls_peer *tls_direct;   /* without a peer */
	struct helper_pool *url_rewrite; /* NULL: none. The home loop's */
	struct authenticators auth;
	struct helper_pool *store_id;    /* NULL: none */
	/* By number of external_acl_type; NULL: there are none. */
	const struct external_acl_type **external_types;
	struct external_acl **externals;
	struct helper_pool **external_pools; /* behind them */
	struct url_rewrite_policy *rewrite_policy;
	struct helper_reply *rewrite_response; /* behind the policy; NULL: none */
	char *rewrite_response_text;
	struct bandwidth *bandwidth; /* what limits rates; NULL: nothing does */
	struct security_headers *security_headers; /* NULL: off */
	bool has_guard;                  /* requests are looked at before http_access */
	bool has_bans;                   /* some address may be shut out */
	struct bans *bans;               /* ban lines; NULL: there is none */
	struct rate_limits *rate_limits; /* rate_limit; NULL: there is none */
	struct access_logger *logger;
	struct key_log *keys; /* tls_key_log; NULL: there is none */
};

/* Takes over config's reference. Call on the home loop's thread (or before it runs). */
struct snapshot *snapshot_create(struct server *server, struct config *config);
/* A newer one takes its place: its idle helpers may go. Any thread. */
void snapshot_retire(struct snapshot *snapshot);
/* Fresh helpers take over (rotation). Any thread. */
void snapshot_renew_helpers(struct snapshot *snapshot);
/* Nobody waits for them any more. Any thread. */
void snapshot_abandon_helpers(struct snapshot *snapshot);
struct snapshot *snapshot_ref_many(struct snapshot *snapshot, unsigned n);
void snapshot_unref_many(struct snapshot *snapshot, unsigned n); /* accepts NULL */

static inline struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	return snapshot_ref_many(snapshot, 1);
}

static inline void snapshot_unref(struct snapshot *snapshot) /* accepts NULL */
{
	snapshot_unref_many(snapshot, 1);
}

static inline const struct config *snapshot_config(const struct snapshot *snapshot)
{
	return snapshot->config;
}

static inline const struct url_rewrite_policy *
snapshot_rewrite_policy(const struct snapshot *snapshot)
{
	return snapshot->rewrite_policy;
}

/* What a head of a request on that port may have: sizes, and what is let pass. */
struct h1_limits snapshot_request_limits(const struct snapshot *snapshot, const struct port *port);

#endif

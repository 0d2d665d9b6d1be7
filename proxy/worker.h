/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/worker.h: an event-loop thread and all that it owns: its listeners, sessions, transactions,
 * origin connections, timers, counters. No worker touches another's: it posts mail.
 *
 * Threads: the fields are the worker's own after worker_start; worker_post_* may be called by
 * any. */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/histogram.h"
#include "lib/base/list.h"
#include "lib/base/spares.h"
#include "lib/net/addr.h"
#include "lib/net/loop.h"
#include "lib/net/stream_tls.h"
#include "lib/net/tls_gate.h"
#include "proxy/manager/recent.h"
#include "proxy/manager/sites.h"
#include "proxy/transaction/recoder.h"
#include "squid-compat/log/log_tags.h"

struct clients;
struct h2_flight;
struct peer_standby;
struct peer_watch;
struct listener_socket;
struct origin_pool;
struct page_pool; /* lib/base/page_pool.h */
struct port;
struct resolver;
struct server;
struct snapshot;
struct transaction;
struct unshared;

/* From a request's head to the end of its reply, in microseconds, by what answered it. */
enum service_kind {
	SERVICE_ALL,
	SERVICE_MISS,
	SERVICE_NOT_MODIFIED, /* a 304 made here (Squid: near miss) */
	SERVICE_NEAR_HIT,     /* validated, and still good */
	SERVICE_HIT,
	SERVICE_KINDS
};

enum { STATUS_CLASSES = 6 };

/* What clients speak: two bits. */
enum client_protocol { CLIENT_IS_TLS = 1, CLIENT_IS_HTTP2 = 2, CLIENT_PROTOCOLS = 4 };

/* The worker's own; who reports asks by mail (tally.h). All of them are uint64_t. */
struct counters {
	uint64_t client_requests, client_hits, client_errors;
	uint64_t client_memory_hits, client_disk_hits; /* of client_hits */
	uint64_t client_aborts; /* replies that did not go out whole */
	uint64_t slow_clients;  /* let go for client_minimum_rate */
	uint64_t overload_refusals; /* requests answered 503 for overload */
	uint64_t client_bytes_in, client_bytes_out, client_hit_bytes_out;
	uint64_t server_requests, server_errors;
	uint64_t server_bytes_in, server_bytes_out;
	uint64_t connections_accepted;
	uint64_t tls_handshakes, tls_resumed, tls_failures; /* with clients; resumed ones are of all */
	uint64_t tags[LOG_TAG_COUNT];         /* of requests */
	uint64_t statuses[STATUS_CLASSES];    /* of replies, by hundreds; 0: there was none */
	uint64_t protocols[CLIENT_PROTOCOLS]; /* of requests */
	uint64_t service_us[SERVICE_KINDS];   /* the sums of service_times */
	uint64_t coded_replies[CODINGS];      /* in a coding made here: compress */
	uint64_t refused_codings;             /* plain, since a worker made too many others */
	uint64_t recoded_bodies[CODINGS];     /* made here, whole */
	uint64_t recoder_bytes_in, recoder_bytes_out;
};

/* What metrics alone show: kept apart from what statistics.h has many readings of. All of them are
 * uint64_t. */
enum cache_tier { TIER_MEMORY, TIER_DISK, CACHE_TIERS };
enum handshake_kind { HANDSHAKE_FULL, HANDSHAKE_RESUMED, HANDSHAKE_KINDS };
struct detail_counts {
	struct tier_counts {
		uint64_t hits, bytes_out;
		struct timings times;
	} tiers[CACHE_TIERS];
	uint64_t tls_versions[TLS_VERSIONS]; /* of handshakes that succeeded */
	struct timings handshakes[HANDSHAKE_KINDS];
};

struct service_times {
	struct histogram of[SERVICE_KINDS];
};

enum { WORKER_WRITE_GROUP = 4 };

struct worker {
	unsigned index;
	struct server *server;
	struct loop *loop;
	pthread_t thread;
	struct snapshot *snapshot; /* the current one; a reference, and these in advance: */
	unsigned spare_snapshot_refs;
	struct resolver *resolver;
	struct origin_pool *origins;
	struct peer_watch *watch;   /* of the peers; NULL: not the home loop's */
	struct peer_standby *standby;
	struct unshared *unshared; /* collapsed forwarding */
	struct tls_gate tls_gate;
	struct loop_task way_task; /* gives way to a disk's writer, in a turn */
	unsigned ways;             /* so many times */
	struct {
		struct session *session[WORKER_WRITE_GROUP]; /* NULL: it has left */
		unsigned n;
		struct loop_task task;
	} write_group; /* session_h1_write.c */
	struct list listeners;
	struct clients *clients; /* client_db */
	struct list sessions;
	struct list h2_sessions;
	struct h2_flight *spare_flight; /* session_h2_flight.c */
	struct page_pool *h2_pages; /* session_h2_memory.h */
	unsigned nsessions;
	struct spares transactions; /* to use again */
	struct buf url_scratch;    /* an URL in the making; what lies in it means nothing to others */
	struct buf log_scratch;    /* a log record in the making */
	struct buf head_scratch;   /* a head in the making, as it may be stored */
	struct list fetches;
	struct spares spare_fetches; /* to use again */
	atomic_uint nfetches; /* of those; relaxed, read by others too */
	struct timer load_timer; /* worker_load.h */
	int64_t shed_asked_ms;   /* others were asked to close idle connections */
	struct list backgrounds; /* background.h */
	struct recoders recoders;
	struct counters counters;
	struct detail_counts details;
	struct service_times times;
	struct sites sites;
	struct recent recent;
	uint64_t nunrewritten;      /* requests that no rewriter answered, not yet said */
	int64_t unrewritten_said_s; /* monotonic; 0: never */
	bool is_stopping, is_drained;
	bool is_patient; /* while stopping: idle connections may bring one more request */
	struct timer stop_timer;
	int64_t date_s_;           /* of date_text_ */
	char date_text_[32];
};

struct worker *worker_create(struct server *server, unsigned index, struct err_text *why);
void worker_destroy(struct worker *worker); /* after its thread ended; accepts NULL */
enum err worker_start(struct worker *worker, struct err_text *why);
void worker_join(struct worker *worker);

static inline struct snapshot *worker_snapshot(struct worker *worker)
{
	return worker->snapshot;
}

/* A reference for something of this worker, which gives it back here. Of the current one it has
 * some in advance: a request takes two, and those that all workers wrote to would cost more than
 * what they guard. */
struct snapshot *worker_ref_snapshot(struct worker *worker, struct snapshot *snapshot);
void worker_unref_snapshot(struct worker *worker, struct snapshot *snapshot);

/* Any thread: the worker takes a reference to the snapshot, or stops after wait_ms at most. */
void worker_post_snapshot(struct worker *worker, struct snapshot *snapshot);
void worker_post_stop(struct worker *worker, int64_t wait_ms);
/* The same, for a successor that has the sockets too: no connection is closed while its client may
 * be sending a request. */
void worker_post_drain(struct worker *worker, int64_t wait_ms);
/* Any thread, before the worker starts or later: it serves the listening socket of a port. The spec
 * names the port in every snapshot (as written in squid.conf). Takes over fd. */
void worker_post_listener(struct worker *worker, const char *spec, bool is_https, int fd);
/* Any thread: it closes some idle connections of clients, if it has any. */
void worker_post_shed(struct worker *worker);
/* Any thread: stop serving that port, and close its socket. */
void worker_post_unlisten(struct worker *worker, const char *spec, bool is_https);

/* The Date field's value now: "Sat, 21 Nov 2026 21:45:09 GMT". The worker's thread. */
struct str worker_date(struct worker *worker);
int64_t worker_now_s(const struct worker *worker);

/* Called when a session, a fetch or a helper pool ends: a stopping worker ends with its last. */
void worker_session_ended(struct worker *worker);

/* A connection that closed without a request has a line in the access log too. */
void worker_log_empty_connection(struct worker *worker, struct snapshot *snapshot,
				 const struct addr *client, const struct port *port);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/peers.h: cache_peer lines: the origins (and proxies) that requests are forwarded to.
 * Squid: cf.data.pre, cache_peer, cache_peer_access, neighbor_type_domain.
 *
 *     cache_peer HOST|unix:PATH parent|sibling|multicast HTTP-PORT ICP-PORT [option ...]
 * An unknown option is an error that is ignored, unlike with ports. Memory: all lies in the arena
 * given to peers_init, but for the access lists, which peers_fini frees. One thread's while
 * parsing, immutable afterwards: what changes while serving (health, counters) is kept elsewhere,
 * by name. */
#ifndef SQUID_COMPAT_PEERS_H
#define SQUID_COMPAT_PEERS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "squid-compat/report.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

struct access_list; /* squid-compat/acl/acl.h */
struct acl_set;     /* squid-compat/acl/acl.h */
struct peer_domain; /* squid-compat/translate.h */

enum peer_type {
	PEER_PARENT,
	PEER_SIBLING,
	PEER_MULTICAST,
};

/* Which credentials the peer gets. */
enum peer_login {
	PEER_LOGIN_NONE = 0,  /* no login=: an originserver gets no Authorization at all */
	PEER_LOGIN_FIXED,     /* login=user:pass: Basic of login_text */
	PEER_LOGIN_PASS,      /* the client's; else those of an external ACL */
	PEER_LOGIN_PASSTHRU,  /* the client's as they are */
	PEER_LOGIN_PROXYPASS, /* the client's proxy credentials become the origin's */
	PEER_LOGIN_USER,      /* login=*:pass: Basic of the user's name + login_text (":pass") */
	PEER_LOGIN_NEGOTIATE, /* not done here */
};

enum peer_select {
	PEER_SELECT_NONE = 0, /* first up, in order */
	PEER_SELECT_ROUND_ROBIN = 1 << 0,
	PEER_SELECT_WEIGHTED = 1 << 1,
	PEER_SELECT_CARP = 1 << 2,
	PEER_SELECT_SOURCEHASH = 1 << 3,
	PEER_SELECT_USERHASH = 1 << 4,
	PEER_SELECT_DEFAULT = 1 << 5, /* the last resort */
	PEER_SELECT_LEAST_CONN = 1 << 6, /* ours: least-conn, of two drawn */
	PEER_SELECT_PEAK_EWMA = 1 << 7,  /* ours: peak-ewma, likewise */
};

enum peer_carp_key {
	PEER_CARP_SCHEME = 1 << 0,
	PEER_CARP_HOST = 1 << 1,
	PEER_CARP_PORT = 1 << 2,
	PEER_CARP_PATH = 1 << 3,
	PEER_CARP_PARAMS = 1 << 4,
};

enum peer_front_end_https {
	PEER_FRONT_END_NONE = 0,
	PEER_FRONT_END_ON,
	PEER_FRONT_END_AUTO, /* only when the URL is https */
};

enum peer_switch {
	PEER_OFF,
	PEER_ON,
	PEER_AUTO,
};

/* A request that is sent again and again to see whether the peer can serve: monitorurl= and its
 * kin (Squid 2.7), or health= and its kin (ours). */
struct peer_check {
	struct str target;  /* what is asked for, as it goes into the request; STR_NONE: no check */
	struct str host;    /* the Host field */
	unsigned status_min, status_max; /* what the answer's status may be */
	struct str text;    /* what the body must hold, in its first 64 KiB; STR_NONE: anything */
	uint64_t min_bytes, max_bytes;   /* of the body; max 0: no limit */
	int64_t interval_ms, timeout_ms;
	unsigned rise, fall; /* so many in a row make it up, or down; at least 1 */
};

/* neighbor_type_domain NAME parent|sibling DOMAIN...: other types for some sites. */
struct peer_domain_type {
	struct str domain; /* lower case; ".example.com": its subdomains too */
	enum peer_type type;
	struct peer_domain_type *next;
};

struct peer {
	struct str host;          /* name or address; with a NUL behind it */
	struct str name;          /* name=, else host: unique without case */
	uint16_t port;
	struct str unix_path;     /* unix:PATH as the host (ours), whose port is 0; with a NUL behind
	                             it. STR_NONE: host and port count */
	uint16_t icp_port;        /* no effect */
	unsigned proxy_protocol;  /* proxy-protocol=v1|v2 (ours): each connection begins with that
	                             version's header; 0: none */
	enum peer_type type;
	unsigned index;           /* 0.. in the order of the file */
	bool is_unusable;         /* asks for what is not done (Negotiate): never selected */

	bool is_originserver;
	enum peer_login login;
	struct str login_text;    /* FIXED: "user:pass"; USER: ":pass"; NEGOTIATE: the principal */
	struct str forceddomain;  /* the Host field for this peer; STR_NONE: the URL's */
	unsigned select;          /* enum peer_select */
	unsigned carp_key;        /* enum peer_carp_key; 0: the whole URL */
	unsigned weight;          /* at least 1 */
	unsigned basetime_ms;
	unsigned max_conn;        /* 0: no limit */
	unsigned max_queue;       /* max-conn-queue= (ours): requests that may wait at max_conn */
	int64_t queue_timeout_ms; /* max-conn-queue-timeout= (ours) */
	unsigned standby;
	bool is_backup;           /* ours: only when no other one can be used */
	struct str sticky;        /* sticky=NAME (ours): the cookie that keeps clients here;
	                             STR_NONE: none */
	int64_t slow_start_ms;    /* slow-start= (ours): until it has its whole share again */
	struct peer_check check;
	int64_t connect_timeout_ms; /* -1: peer_connect_timeout */
	unsigned connect_fail_limit;
	enum peer_front_end_https front_end_https;
	enum peer_switch connection_auth;
	bool is_proxy_only;       /* do not store what comes from here */
	bool is_no_query;
	bool is_no_digest;
	bool may_miss;            /* allow-miss */
	bool is_no_delay;
	bool is_tls;
	struct tls_outgoing tls;  /* of is_tls */

	struct access_list *access; /* cache_peer_access; NULL: allowed for everything */
	struct peer_domain_type *domain_types;
	struct peer_domain *domains; /* cache_peer_domain, which becomes a part of access */
	size_t ndomains, room_for_domains_;
	struct peer *next;
};

struct peers {
	struct peer *first;
	unsigned n;
	/* private */
	struct peer **last_;
	struct arena *arena_;
	const struct world *world_;
	const char *password_program_; /* for the lines to come */
};

/* Arena and world must outlive the parsing; the arena also the peers. */
void peers_init(struct peers *peers, struct arena *arena, const struct world *world);
void peers_fini(struct peers *peers); /* before the acl_set goes */

/* One cache_peer line. A bungled one says REPORT_FATAL and adds no peer. */
void peers_parse(struct peers *peers, const struct words *words, struct report *report);

/* One neighbor_type_domain line. */
void peers_parse_domain_type(struct peers *peers, const struct words *words,
			     struct report *report);

/* One cache_peer_access line: NAME allow|deny ACL... A name that no cache_peer line above has is an
 * error that is ignored. */
void peers_parse_access(struct peers *peers, struct acl_set *acls, const struct words *words,
			struct report *report);

/* One cache_peer_domain line: NAME [!]DOMAIN... (Squid 3.4). Adds to peer->domains. */
void peers_parse_domains(struct peers *peers, const struct words *words, struct report *report);

/* Without case; NULL: none. */
struct peer *peers_find(const struct peers *peers, struct str name);

/* PARENT, SIBLING or MULTICAST for a request's host (lower case): neighbor_type_domain counts. */
enum peer_type peer_type_for(const struct peer *peer, struct str host);

#endif

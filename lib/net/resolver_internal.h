/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/resolver_internal.h: what the files of the resolver share: resolver.c (names and who asks
 * for them), resolver_addrs.c (which address comes first), resolver_channel.c (c-ares on the loop),
 * resolver_reverse.c (names of addresses). */
#ifndef NET_RESOLVER_INTERNAL_H
#define NET_RESOLVER_INTERNAL_H
#include <ares.h>

#include "lib/net/resolver.h"

enum { RESOLVER_BUCKETS = 256 };

/* One loop's. */
struct resolver {
	struct loop *loop;
	ares_channel channel;
	bool is_channel_suspect; /* no name server could be reached: they may have changed */
	unsigned nasked;         /* names that are with c-ares */
	char *nameservers;       /* NULL: resolv.conf's */
	struct hosts *hosts;
	bool uses_search_list;
	int64_t timeout_ms, retransmit_ms, positive_ttl_ms, negative_ttl_ms;
	uint64_t seed;
	size_t nnames[2]; /* of host names, and of addresses whose name was asked for */
	struct list buckets[RESOLVER_BUCKETS]; /* struct name by hash */
	struct list by_age[2]; /* struct name, as nnames; the one asked longest ago first */
	struct list sockets;           /* struct socket_watch, those that c-ares has open */
	struct list answered;          /* struct resolver_query whose done is to be called */
	struct loop_task hand_out;
	struct timer retry; /* when c-ares wants to look at its own clock */
};

/* What is known of one of a name's addresses. */
struct name_addr {
	struct addr addr;
	bool is_proven;       /* the last one that took a connection: of a name's, one at most */
	unsigned nfails;      /* connects in a row */
	int64_t bad_until_ms; /* others come first until then */
};

/* A host's name, or (is_reverse) an address: a blank and its text, so that it is no name. */
struct name {
	struct list in_bucket, in_age;
	struct resolver *resolver;
	struct list askers; /* struct resolver_query */
	struct timer patience;
	bool is_reverse;
	bool is_asked;      /* c-ares has it and will call back */
	int64_t expires_ms; /* of the answer, when it is not being asked */
	const char *why;
	bool is_old;  /* the last question failed: the addresses are those of one before */
	bool is_late; /* and the present one has taken too long: nobody else waits for it */
	unsigned turn; /* of the addresses: who asks next begins with another one */
	unsigned naddrs, host_len;
	struct name_addr *addrs;
	char host[RESOLVER_HOST_BYTES]; /* is_reverse */
	size_t len;
	char text[];
};

struct socket_watch {
	struct loop_fd watch;
	struct list node;
	struct resolver *resolver;
};

/* ---- resolver.c */

/* What name's question brought is in name: tells all who wait. From c-ares. */
void resolver_name_answered(struct name *name, int status, int64_t ttl_ms);
/* Writes into a query what address it is the name of; empty: why there is none. */
void resolver_answer_host(struct resolver_query *query, struct str host, const char *why);
/* As resolver_ask, about what stands in the resolver's table as text. */
bool resolver_ask_entry(struct resolver *resolver, struct str text, bool is_reverse,
                        struct resolver_query *query);

/* ---- resolver_addrs.c */

/* The addresses of an answer become the name's; what is known of those that it had stays known. */
void resolver_addrs_keep(struct name *name, const struct ares_addrinfo *info);
/* Those that the next asker gets, in the order in which to try them; how many. nmore: as a
 * query's. */
unsigned resolver_addrs_choose(struct name *name, struct addr out[RESOLVER_MAX_ADDRS],
			       unsigned *nmore);
void resolver_addrs_mark(struct name *name, const struct addr *addr, bool is_good);

/* ---- resolver_channel.c */

/* Puts a new channel, which knows what resolv.conf says now, in the place of the old one. If that
 * fails the old one stays. Returns c-ares' status. */
int resolver_open_channel(struct resolver *resolver);
/* Something was asked of the channel: its next look at the clock. */
void resolver_plan_retry(struct resolver *resolver);
void resolver_retry_is_due(struct timer *timer);

/* ---- resolver_reverse.c */

/* Asks the DNS for the name of the address that an entry holds. */
void resolver_ask_reverse(struct name *name);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/resolver.h: names to addresses and back, by c-ares (/etc/hosts, then DNS) on a loop.
 *
 * Threads: a resolver belongs to its loop. Answers are kept for their TTL, within the bounds given
 * (positive_dns_ttl, negative_dns_ttl), and serve on while newer questions fail; equal questions
 * asked together are asked once. Of several addresses, each asker gets another one first, and those
 * that failed of late last. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H
#include "lib/net/addr.h"
#include "lib/net/loop.h"

enum { RESOLVER_MAX_ADDRS = 10, RESOLVER_HOST_BYTES = 256 };

struct resolver; /* opaque */

struct resolver_options {
	const char *nameservers; /* dns_nameservers, blank-separated IP[:PORT]; NULL: resolv.conf */
	const char *hosts_file;  /* NULL: /etc/hosts; "none": none */
	bool uses_search_list;   /* dns_defnames: resolv.conf's, for names with few dots */
	int64_t timeout_ms;      /* dns_timeout: the whole question */
	int64_t retransmit_ms;   /* dns_retransmit_interval; 0: by timeout_ms */
	/* An answer stays for its TTL, but at least negative_ttl_ms and at most positive_ttl_ms;
	 * that there is none, for negative_ttl_ms. */
	int64_t positive_ttl_ms, negative_ttl_ms;
};

struct resolver *resolver_create(struct loop *loop, const struct resolver_options *options,
                                 struct err_text *why);
/* Cancels all questions; accepts NULL. Not from within a done. */
void resolver_destroy(struct resolver *resolver);

/* One question of one asker, embedded by it. */
struct resolver_query {
	struct list node_;
	void (*done)(struct resolver_query *query); /* from the loop */
	uint16_t port_;
	/* the answer: naddrs 0 and a sentence when there is none */
	union {
		struct addr addrs[RESOLVER_MAX_ADDRS];
		char host[RESOLVER_HOST_BYTES]; /* of resolver_ask_host; NUL-terminated */
	};
	unsigned naddrs, host_len;
	/* addresses that there are besides, of those that have not failed of late */
	unsigned nmore;
	const char *why; /* lasts as long as the program; NULL when there is an answer */
};

/* Asks for name (an address in text form answers itself), with port put into each address; the best
 * to try comes first. True: the answer is in query already and done is not called; false: done
 * comes later. Of the query only done need be set. */
bool resolver_ask(struct resolver *resolver, struct str name, uint16_t port,
                  struct resolver_query *query);
/* The same for the name of an address (PTR): host, in lower case and without a dot at its end, as
 * the hosts file or the DNS has it; nobody has checked that it leads back. host_len 0: there is
 * none. */
bool resolver_ask_host(struct resolver *resolver, const struct addr *addr,
                       struct resolver_query *query);
/* The next one who asks for name asks the DNS, if it was said longer than ms ago that there is
 * none: for names that are surely meant to be there soon. Not when no name server answered in
 * time, since to ask again takes as long. */
void resolver_doubt(struct resolver *resolver, struct str name, int64_t ms);
/* A connect to that address of name, whatever its port, failed or succeeded. Of those that failed
 * one is tried again after 10 s, then 20, 40, 60 ... and the rest only when all others have failed.
 * For what is no name, or has one address, it does nothing. */
void resolver_mark(struct resolver *resolver, struct str name, const struct addr *addr,
                   bool is_good);
void resolver_cancel(struct resolver_query *query); /* fine in zeroed memory and after the answer */

/* For start-up and configuration only: asks the system and blocks. Returns how many were found. */
unsigned resolver_blocking(const char *name, uint16_t port, struct addr *addrs, unsigned max);
/* Likewise, for the name of an address; empty: it has none. */
struct str resolver_blocking_host(const struct addr *addr, char host[RESOLVER_HOST_BYTES]);

#endif

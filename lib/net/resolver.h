/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/resolver.h: names to addresses, by c-ares (/etc/hosts, then DNS) on a loop.
 *
 * Threads: a resolver belongs to its loop. Answers are kept for their TTL, within the bounds given
 * (positive_dns_ttl, negative_dns_ttl); equal questions asked together are asked once. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H
#include "lib/net/addr.h"
#include "lib/net/loop.h"

enum { RESOLVER_MAX_ADDRS = 10 };

struct resolver; /* opaque */

struct resolver_options {
	const char *nameservers; /* dns_nameservers, blank-separated IP[:PORT]; NULL: resolv.conf */
	const char *hosts_file;  /* NULL: /etc/hosts; "none": none */
	int64_t timeout_ms;      /* dns_timeout: the whole question */
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
	struct addr addrs[RESOLVER_MAX_ADDRS];
	unsigned naddrs;
	const char *why; /* lasts as long as the program; NULL when there are addresses */
};

/* Asks for name (an address in text form answers itself), with port put into each address; the best
 * to try comes first. True: the answer is in query already and done is not called; false: done
 * comes later. Of the query only done need be set. */
bool resolver_ask(struct resolver *resolver, struct str name, uint16_t port,
                  struct resolver_query *query);
void resolver_cancel(struct resolver_query *query); /* fine in zeroed memory and after the answer */

/* For start-up and configuration only: asks the system and blocks. Returns how many were found. */
unsigned resolver_blocking(const char *name, uint16_t port, struct addr *addrs, unsigned max);

#endif

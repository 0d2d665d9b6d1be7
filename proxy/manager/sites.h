/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/sites.h: what is counted of each site, which is the host name that clients asked
 * for. Clients choose that name where a port has vhost, so the number of sites is bounded: who has
 * got a good answer gets a row, and all others share one.
 *
 * Threads: site_names: any. A struct sites is one worker's, and so are its counts: others ask by
 * mail (census.h). */
#ifndef PROXY_SITES_H
#define PROXY_SITES_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/histogram.h"
#include "lib/base/lock.h"
#include "lib/base/str.h"

enum {
	SITES_MAX = 100,        /* with a name of their own */
	SITE_OTHER = SITES_MAX, /* the row of all others */
	SITE_ROWS,
	SITE_NAME_BYTES = 128,  /* longer names are among the others */
	SITE_SLOT_BITS = 6,
	SITE_SLOTS = 1 << SITE_SLOT_BITS, /* names that a worker remembers */
};

/* Names are added and stay: a number means the same site until the process ends. */
struct site_names {
	struct lock lock;     /* for adding */
	atomic_uint n;        /* release: those below it are there for good */
	struct site_name {
		char *at;
		size_t len;
	} names[SITES_MAX];
};

void site_names_init(struct site_names *names);
void site_names_fini(struct site_names *names);
/* The number of a site; SITE_OTHER: it has none, nor gets one (may_add). */
unsigned site_names_find(struct site_names *names, struct str host, bool may_add);
/* "(other)" for SITE_OTHER. */
struct str site_names_text(const struct site_names *names, unsigned number);

/* All of them are uint64_t. */
struct site_counts {
	uint64_t requests, hits, errors, aborts; /* errors: replies of 500 and above */
	uint64_t bytes_in, bytes_out, hit_bytes_out;
	uint64_t service_us; /* the sum of times */
	struct histogram times;
	/* as struct counters has them; by SNI */
	uint64_t tls_handshakes, tls_resumed, tls_failures;
};

struct site_slot {
	struct str name; /* of the shared names */
	struct site_counts *counts;
};

struct sites {
	struct site_names *names;
	uint64_t seed;
	struct site_slot slots[SITE_SLOTS];
	struct site_counts *counts[SITE_ROWS]; /* NULL: nothing yet */
};

void sites_init(struct sites *sites, struct site_names *names, uint64_t seed);
void sites_fini(struct sites *sites);

/* The counts of a host (lower case). is_good: it has answered well, and may get a row of its
 * own. */
struct site_counts *sites_get(struct sites *sites, struct str host, bool is_good);

#endif

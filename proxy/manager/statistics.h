/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/statistics.h: what was counted, minute by minute and hour by hour, so that the cache manager can
 * say how the last five minutes or days went. A reading sums up what all workers, the disks and the
 * system count; its size, and that of what is kept, is constant.
 *
 * Threads: the main thread's. */
#ifndef PROXY_STATISTICS_H
#define PROXY_STATISTICS_H
#include <stdint.h>

#include "proxy/manager/tally.h"

enum {
	STATISTICS_MINUTES = 60, /* readings kept, one a minute: with their times of service */
	STATISTICS_HOURS = 72,   /* and one an hour, without */
};

struct reading_of_counts {
	int64_t wall_us;
	struct counters counters;
	struct loop_counts loops;
	uint64_t disk_stores, disk_hits; /* of all cache_dirs */
	uint64_t page_faults;            /* that waited for the disk */
	double cpu_s;                    /* of the process */
};

/* Between two readings. */
struct statistics_span {
	int64_t from_us, to_us;
	struct reading_of_counts change; /* its wall_us is the length */
	struct service_times times;
};

struct loop;
struct server;
struct statistics; /* opaque */

/* Takes its first reading (all zero) now, then one a minute on loop, which is the main thread's. server
 * outlives it; its workers run. */
struct statistics *statistics_create(struct server *server, struct loop *loop);
/* No reading any more: before the workers stop. */
void statistics_stop(struct statistics *statistics);
void statistics_destroy(struct statistics *statistics); /* accepts NULL */

/* A reading of now: the workers' part of it is tally. */
void statistics_read(const struct statistics *statistics, const struct tally *tally,
		     struct reading_of_counts *out);

/* From the youngest reading that is at least so old, or the oldest there is, to now. A span of
 * hours has no times of service. */
void statistics_minutes(const struct statistics *statistics, unsigned minutes,
			const struct tally *tally, struct statistics_span *out);
void statistics_hours(const struct statistics *statistics, unsigned hours,
		      const struct tally *tally, struct statistics_span *out);

#endif

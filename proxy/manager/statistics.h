/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/statistics.h: what was counted, minute by minute and hour by hour, so that the
 * cache manager can say how the last five minutes or days went. A reading sums up what all workers,
 * the disks and the system count; its size, and that of what is kept, is constant.
 *
 * Threads: the main thread's. */
#ifndef PROXY_STATISTICS_H
#define PROXY_STATISTICS_H
#include <stdint.h>

#include "proxy/manager/tally.h"

enum {
	STATISTICS_MINUTES = 60, /* readings kept, one a minute: with their times of service */
	STATISTICS_HOURS = 72,   /* and one an hour, without */
	STATISTICS_STEP_S = 10,
	STATISTICS_POINTS = 360, /* an hour of steps */
};

struct reading_of_counts {
	int64_t at_us; /* monotonic */
	struct counters counters;
	struct loop_counts loops;
	uint64_t disk_stores, disk_hits; /* of all cache_dirs */
	uint64_t page_faults;            /* that waited for the disk */
	double cpu_s;                    /* of the process */
};

/* Between two readings. */
struct statistics_span {
	int64_t from_us, to_us; /* wall clock, as it is set at the end */
	struct reading_of_counts change; /* its at_us is the length */
	struct service_times times;
};

/* What a plot shows of STATISTICS_STEP_S seconds. */
struct statistics_point {
	int64_t at_us; /* their end; monotonic */
	int64_t length_us;
	uint64_t requests, hits, errors, bytes_out;
	double p50_us, p99_us;
};

struct loop;
struct server;
struct statistics; /* opaque */

/* Takes its first reading (all zero) now, then one each STATISTICS_STEP_S on loop, which is the
 * main thread's. server outlives it; its workers run. */
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

/* The latest points, oldest first; returns how many. */
unsigned statistics_points(const struct statistics *statistics, struct statistics_point *out,
			   unsigned max);

#endif

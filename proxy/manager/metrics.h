/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/metrics.h: the numbers that metrics are made of, as tables: a subject (sites,
 * workers ...) is a table of rows, a row has labels and a struct of values, and a metric
 * (metrics.c) says which value of which subject it shows. docs/METRICS.md documents the names.
 *
 * Threads: the main thread's. */
#ifndef PROXY_METRICS_H
#define PROXY_METRICS_H
#include "cache/disk/disk.h"
#include "cache/spool.h"
#include "lib/base/buf.h"
#include "proxy/manager/census.h"

struct manager_page;

enum metric_subject {
	METRIC_BUILD,        /* uint64_t: 1 */
	METRIC_PROCESS,      /* struct process_values */
	METRIC_TOTALS,       /* struct counters */
	METRIC_RESULTS,      /* uint64_t: by log tag */
	METRIC_STATUSES,     /* uint64_t: by class */
	METRIC_PROTOCOLS,    /* uint64_t */
	METRIC_TIERS,        /* struct tier_counts */
	METRIC_TLS_VERSIONS, /* uint64_t: handshakes */
	METRIC_HANDSHAKES,   /* struct timings */
	METRIC_CODED_REPLIES, METRIC_RECODED_BODIES, /* uint64_t: by coding */
	METRIC_TIMES,        /* struct timings */
	METRIC_SITES,        /* struct site_counts */
	METRIC_PEERS,        /* struct peer_values */
	METRIC_POOLS,        /* struct census_pool */
	METRIC_MEMORY,       /* struct memory_values */
	METRIC_DISKS,        /* struct disk_values */
	METRIC_SPOOLS,       /* struct spool_stats */
	METRIC_WORKERS,      /* struct worker_values */
	METRIC_CERTIFICATES, /* struct certificate_values: those that expire first */
	METRIC_FIRST_CERTIFICATE, /* the same: the first of all */
	METRIC_SUBJECTS
};

struct process_values {
	double started_s, cpu_s;
	uint64_t resident_bytes, nfiles, max_files, major_faults, nlost_records;
	unsigned nsessions, ndegraded, ncertificates;
};

struct peer_values {
	unsigned is_up, nrequests, nconns, nfails;
	double answer_s;
	uint64_t bytes_in, bytes_out;
	struct timings answers;
};

struct worker_values {
	uint64_t requests, hits, bytes_in, bytes_out, turns, events;
	unsigned nsessions;
	double cpu_s;
	struct timings times;
};

struct memory_values {
	uint64_t objects, bytes, max_bytes, evicted;
};

struct disk_values {
	struct disk_stats stats;
	unsigned is_readable, is_writable;
};

struct certificate_values {
	uint64_t expires_s;
};

struct metric_row {
	struct str labels; /* `a="b",c="d"`, escaped; empty: none */
	const void *values;
};

struct metrics; /* opaque */

/* All there is now. page has gathered a census. */
struct metrics *metrics_create(struct manager_page *page);
void metrics_destroy(struct metrics *metrics); /* accepts NULL */

/* The rows of a subject, and the i-th of them. */
size_t metrics_count(const struct metrics *metrics, enum metric_subject subject);
const struct metric_row *metrics_row(const struct metrics *metrics, enum metric_subject subject,
				     size_t i);

#endif
